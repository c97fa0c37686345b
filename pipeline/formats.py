"""The format of a model whose entry names none: by the files that it names, or that there are.

Exporters say which endings are theirs. What has none of these is a repository of transformers.
"""

from collections.abc import Iterable

from pipeline import kinds
from pipeline.errors import PipelineError
from pipeline.spec import Model

USUAL = "transformers"
_MADE = "torch"  # of a module that a factory makes


def of(model: Model) -> str:
    """The format of a model, by what its entry says; no network is asked."""
    if model.factory:
        return _MADE
    if found := _by_endings(model.networks.values()):
        return found
    names = _listed(model)
    whole = any(name.rpartition("/")[2] == "config.json" for name in names) and any(
        name.endswith(".safetensors") for name in names
    )
    return USUAL if whole else _by_endings(names) or USUAL


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
