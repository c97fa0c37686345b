"""The format of a model whose entry names none: by the files that it names, or that there are.

Exporters say which endings are theirs. What has none of these is a repository of transformers.
"""

import re
from collections.abc import Iterable

from pipeline import kinds
from pipeline.errors import PipelineError, SpecError
from pipeline.spec import Model

USUAL = "transformers"
_MADE = "torch"  # of a module that a factory makes
_WEIGHTS = re.compile(r".*\.safetensors|(?:.*/)?pytorch_model.*\.bin")
# What is brought by none, and what to bring instead (docs/formats.md says what was measured).
_REFUSED = {
    ".gguf": "GGUF is not brought: transformers reads another tokenizer out of it than it holds, "
    "and OpenVINO converts that to none: want the safetensors that it was made from, as "
    "hf:OWNER/NAME@COMMIT, or a folder made of it as docs/formats.md says",
}


def of(model: Model) -> str:
    """The format of a model, by what its entry says; no network is asked.

    Raises:
        SpecError: there is none for its file.
    """
    if model.factory:
        return _MADE
    named = model.networks.values()
    _refuse(named, model)
    if found := _by_endings(named):
        return found
    names = _listed(model)
    whole = any(name.rpartition("/")[2] == "config.json" for name in names) and any(
        _WEIGHTS.fullmatch(name) for name in names
    )
    found = USUAL if whole else _by_endings(names)
    if not found:
        _refuse(names, model)
    return found or USUAL


def _refuse(names: Iterable[str], model: Model) -> None:
    """Raise SpecError for the first file of a format that is brought by none."""
    for name in names:
        for ending, why in _REFUSED.items():
            if name.endswith(ending):
                raise SpecError(f"models.{model.name}: {name}: {why}")


def _by_endings(names: Iterable[str]) -> str:
    """The exporter whose endings names have; empty if there is none, or more than one."""
    found = {
        member
        for member in kinds.names("format")
        if any(name.endswith(tuple(_endings(member))) for name in names)
    }
    return found.pop() if len(found) == 1 else ""


def _endings(member: str) -> tuple[str, ...]:
    return tuple(kinds.load("format", member).ENDINGS)


def _listed(model: Model) -> list[str]:
    """The names in a source that lies on this machine; of others nothing is known yet."""
    try:
        source = kinds.load("source", model.source_kind)
        return list(source.names(model.source_location)) if hasattr(source, "names") else []
    except (PipelineError, OSError):  # who fetches it says why
        return []
