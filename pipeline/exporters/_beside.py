"""What lies beside networks: the source's files for consumers, and what a task adds of its own."""

from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pipeline import kinds
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


def copy(source: Path, model: Model, out: Path, reads: Collection[str] = ()) -> None:
    """Copy what belongs beside the networks; not what these were read from."""
    patterns = (*NAMES, *kinds.load("task", model.task).FILES, *model.beside)
    writer.copy_beside(
        source,
        out,
        lambda name: name not in reads and any(fnmatchcase(name, p) for p in patterns),
    )


def is_tokenized(model: Model, source: Path) -> bool:
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
