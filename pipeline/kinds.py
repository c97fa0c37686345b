"""The one lookup of open families: a family is a folder, a member is a file in it.

Members are listed by file name and loaded on demand, so listing imports nothing. A name in
params.yaml has hyphens where the file has underscores, except where the field's own name
(`int8_weights`) has underscores; both spellings find the file.
"""

import hashlib
import importlib
from pathlib import Path
from types import ModuleType

from pipeline.errors import SpecError

FAMILIES = {
    "source": "sources",
    "format": "exporters",
    "precision": "precisions",
    "task": "tasks",
    "target": "pins",
}


def names(family: str) -> list[str]:
    """The file names, without ending, of a family's members, sorted; nothing is imported."""
    return sorted(path.stem for path in members(FAMILIES[family]))


def members(folder: str) -> list[Path]:
    """The files of the members that lie in a family's folder; shared ones start with `_`."""
    return list((Path(__file__).parent / folder).glob("[a-z]*.py"))


def load(family: str, name: str) -> ModuleType:
    """The module of one member.

    Args:
        family: a key of `FAMILIES`.
        name: the member, with hyphens or underscores.

    Raises:
        SpecError: the family has no such member.
    """
    stem = name.replace("-", "_")
    if stem not in names(family):
        have = [_spelt(family, n) for n in names(family)]
        raise SpecError(f"{family} {name!r}: have {have}")
    return importlib.import_module(f"pipeline.{FAMILIES[family]}.{stem}")


def code_sha256(family: str, name: str) -> str:
    """The digest of a member's own code, and of what the members of its family share."""
    own = Path(str(load(family, name).__file__))
    digest = hashlib.sha256()
    for path in (own, *sorted(own.parent.glob("_*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _spelt(family: str, stem: str) -> str:
    """A member's name as params.yaml writes it: tasks and targets with hyphens."""
    return stem if family == "precision" else stem.replace("_", "-")
