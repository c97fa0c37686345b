"""The one lookup of open families: a family is a folder, a member is a file in it.

A family has two folders: ours, `pipeline/<family>/`, and the user's own, `kinds/<family>/` of the
project. Both are one package to Python (`pipeline.<family>`), so that a member is looked up, loaded
and checked in the same way wherever it lies, and finds what it shares with others beside it
(`from pipeline.precisions import _shared`).

Members are listed by file name and loaded on demand, so listing imports nothing. A name in
params.yaml has hyphens where the file has underscores, except where the field's own name
(`int8_weights`) has underscores; both spellings find the file.

The project is the working folder. A child process has another one, which may even hold the files
of a model, so it is told by a variable where the user's members lie, or that there are none.
"""

import importlib
import os
import re
from pathlib import Path
from types import ModuleType

from pipeline import interface
from pipeline.errors import SpecError

FAMILIES = {
    "source": "sources",
    "format": "exporters",
    "precision": "precisions",
    "task": "tasks",
    "metric": "metrics",
    "target": "pins",
}
VARIABLE = "OVPIPE_KINDS"
_FILE = re.compile(r"_*[a-z][a-z0-9_]*\.py")


def names(family: str) -> list[str]:
    """The file names, without ending, of a family's members, sorted; nothing is imported."""
    return sorted({path.stem for path in members(FAMILIES[family])})


def members(folder: str) -> list[Path]:
    """The files of a family's members, ours and the user's; shared ones start with `_`."""
    return [path for place in places(folder) for path in place.glob("[a-z]*.py")]


def places(folder: str) -> list[Path]:
    """Where the files of a family lie, in the order in which Python looks: ours are first."""
    return [_ours(folder), *folders().get(f"pipeline.{folder}", [])]


def root() -> Path | None:
    """The folder of the user's own members, absolute; None if there is none."""
    told = os.environ.get(VARIABLE)
    if told == "":
        return None
    folder = Path(told or "kinds").resolve()
    return folder if folder.is_dir() else None


def folders() -> dict[str, list[Path]]:
    """The packages of the families that have members of the user's own, and where these lie."""
    own = root()
    if own is None:
        return {}
    return {f"pipeline.{name}": [own / name] for name in FAMILIES.values() if (own / name).is_dir()}


def file(family: str, name: str) -> Path:
    """The file of one member.

    Args:
        family: a key of `FAMILIES`.
        name: the member, with hyphens or underscores.

    Raises:
        SpecError: the family has no such member.
    """
    stem = name.replace("-", "_")
    for path in members(FAMILIES[family]):
        if path.stem == stem:
            return path
    have = [_spelt(family, n) for n in names(family)]
    raise SpecError(f"{family} {name!r}: have {have}")


def is_own(path: Path) -> bool:
    """Whether a file is one of the user's own."""
    own = root()
    return own is not None and path.is_relative_to(own)


def load(family: str, name: str) -> ModuleType:
    """The module of one member, which has what its family asks for.

    Args:
        family: a key of `FAMILIES`.
        name: the member, with hyphens or underscores.

    Raises:
        SpecError: the family has no such member, or it lacks something, or it is the user's own and
            importing it fails.
    """
    return interface.load(_package(family), file(family, name), own=root())


def misplaced() -> list[str]:
    """What lies in `kinds/` and is found by no name, or by the name of ours: a line for each."""
    own = root()
    if own is None:
        return []
    have, lines = sorted(FAMILIES.values()), []
    for path in sorted(own.glob("[!._]*")):
        if path.name in have:
            lines += [_misnamed(file) for file in sorted(path.glob("*.py"))]
        elif path.is_dir():
            lines.append(f"kinds/{path.name}/: no family is called that: have {have}")
        elif path.suffix == ".py":
            lines.append(f"kinds/{path.name}: lies in no family: want it in one of {have}")
    return [line for line in lines if line]


def _package(family: str) -> ModuleType:
    """A family's package, in which modules are found in our folder and then in the user's."""
    package = importlib.import_module(f"pipeline.{FAMILIES[family]}")
    package.__path__[:] = map(str, places(FAMILIES[family]))
    return package


def _misnamed(path: Path) -> str:
    """What is wrong with the name of a file of the user's own, if anything is."""
    where, ours = interface.shown(path), _ours(path.parent.name) / path.name
    if ours.exists():
        return f"{where}: {interface.shown(ours)} is there already: want another name"
    if not _FILE.fullmatch(path.name):
        return f"{where}: want a name of small letters, digits and underscores"
    return ""


def _ours(folder: str) -> Path:
    return Path(__file__).parent / folder


def _spelt(family: str, stem: str) -> str:
    """A member's name as params.yaml writes it: tasks and targets with hyphens."""
    return stem if family == "precision" else stem.replace("_", "-")
