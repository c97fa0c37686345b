"""A member is loaded, and held against the `INTERFACE` of its family: names, each of its sort.

The docstring of the family's package says what they mean. What is missing or fails is said in one
line before anything runs, and not found in the middle of it.
"""

import importlib
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from pipeline.errors import SpecError

_SWITCHES = ("NEEDS_CALIBRATION", "PINNED")
_BITS = (32, 16, 8, 4)


def load(family: ModuleType, path: Path, *, own: Path | None) -> ModuleType:
    """The module of a member, which has what its family asks for.

    Args:
        family: the package, with its `INTERFACE`.
        path: the member's file.
        own: the folder of the user's own members.

    Raises:
        SpecError: a name is missing, or is something else; or code of the user's own fails.
    """
    try:
        member = importlib.import_module(f"{family.__name__}.{path.stem}")
    except (Exception, SystemExit) as e:
        if own is None or not path.is_relative_to(own):
            raise
        raise SpecError(_why(e, path, own)) from e
    _demand(member, family.INTERFACE, path)
    return member


def shown(path: Path) -> str:
    """A member's file as messages name it, `kinds/precisions/mine.py`."""
    return "/".join(path.parts[-3:])


def _demand(member: ModuleType, names: Sequence[str], path: Path) -> None:
    missing = [name for name in names if not hasattr(member, name)]
    if missing:
        raise SpecError(
            f"{shown(path)}: has no {', '.join(missing)}: want {', '.join(names)}, "
            f"as pipeline/{path.parent.name}/__init__.py says"
        )
    for name in names:
        found = getattr(member, name)
        if wanted := _other_than(name, found):
            raise SpecError(f"{shown(path)}: {name}: {found!r}: want {wanted}")


def _why(e: BaseException, path: Path, own: Path) -> str:
    """Where in the user's own code importing it failed, and why."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(e.__traceback__)]
    reason = str(e)
    if isinstance(e, SyntaxError):
        places.append((e.filename or "", e.lineno))
        reason = e.msg
    theirs = [(Path(name), line) for name, line in places if Path(name).is_relative_to(own)]
    where, line = theirs[-1] if theirs else (path, None)
    said = " ".join(f"{type(e).__name__}: {reason}".split())[:500]
    return f"{shown(where)}:{line or 1}: {said}"


def _other_than(name: str, found: object) -> str:
    """What a name must be, if it is something else; the name's own spelling says which sort."""
    from pipeline.record import Record

    if name.islower():
        return "" if callable(found) else "a function"
    if not name.isupper():
        return "" if isinstance(found, type) and issubclass(found, Record) else "a Record"
    if name in _SWITCHES:
        return "" if isinstance(found, bool) else "True or False"
    if name == "METRICS":
        return "" if _are_metrics(found) else "a dict of names to figure.Metric"
    if name == "BITS":
        return "" if found in _BITS else f"one of {_BITS}"
    are_names = isinstance(found, tuple) and all(isinstance(entry, str) for entry in found)
    return "" if are_names else "a tuple of texts, as ('numpy',)"


def _are_metrics(found: object) -> bool:
    from pipeline.figure import Metric

    return isinstance(found, dict) and all(isinstance(metric, Metric) for metric in found.values())
