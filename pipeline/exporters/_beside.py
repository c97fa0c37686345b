"""What lies beside networks: the source's files for consumers, and what a task adds of its own."""

from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.exporters import _tokenizer
from pipeline.networks import writer
from pipeline.spec import Model

# What consumers look for beside the IR; a task's FILES come on top.
NAMES = (
    "config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "[0-9]*_*/config.json",
    "LICENSE*",
    "LICENCE*",
    "COPYING*",
    "NOTICE*",
)
_TOKENIZER = "tokenizer.json"  # a task that wants it is about texts


def write(
    source: Path, model: Model, out: Path, reads: Collection[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Write the tokenizer's IR, if the task has one, and copy what belongs beside the networks.

    Args:
        source: the folder that they came from.
        model: its entry.
        out: the folder of the networks.
        reads: the files that these were read from, which stay where they are.

    Returns:
        By file the rt_info that was left out of the tokenizer's, and notes on it.
    """
    tokenized = _is_tokenized(model, source)
    told = _tokenizer.export(source, model, out) if tokenized else ({}, [])
    copy(source, model, out, reads)
    return told


def copy(source: Path, model: Model, out: Path, reads: Collection[str] = ()) -> None:
    """Copy what belongs beside the networks; not what these were read from."""
    patterns = (*NAMES, *kinds.load("task", model.task).FILES, *model.beside)
    writer.copy_beside(
        source,
        out,
        lambda name: name not in reads and any(fnmatchcase(name, p) for p in patterns),
    )


def _is_tokenized(model: Model, source: Path) -> bool:
    """Whether a tokenizer IR belongs to the model, as its task says, or by the files it wants."""
    task = kinds.load("task", model.task)
    by_files = _TOKENIZER in task.FILES
    return bool(getattr(task, "tokenized", lambda source: by_files)(source))


def of_task(model: Model, name: str) -> Callable[..., Any]:
    """What a task adds to a network, if it does."""
    found: Callable[..., Any] = getattr(
        kinds.load("task", model.task), name, lambda network, *_: network
    )
    return found
