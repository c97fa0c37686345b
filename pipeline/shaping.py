"""Shapes that an entry gives to what its networks take: open, bounded and static axes.

They are the network's own, before any pre-processing is put in front of it.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

ALL = ""  # stands for every input, where an entry names none
OPEN = -1
TOKENS = "input_ids"
_BOUNDED = re.compile(r"([1-9][0-9]{0,8})\.\.([1-9][0-9]{0,8})")


def _axis(given: object) -> int | str:
    """A number of elements, -1, or a range of numbers.

    Raises:
        ValueError: saying what it must be.
    """
    if type(given) is int and (given >= 1 or given == OPEN):
        return given
    found = _BOUNDED.fullmatch(given) if isinstance(given, str) else None
    if found and int(found[1]) <= int(found[2]):
        return found[0]
    raise ValueError("want a number of elements, -1 for an open axis, or a range as '1..8'")


def _by_input(given: object) -> object:
    """One shape alone is that of every input."""
    if isinstance(given, list | tuple):
        return {ALL: tuple(given)}
    if not isinstance(given, dict):
        return given
    return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}


Axis = Annotated[int | str, PlainValidator(_axis)]
Shape = tuple[Axis, ...]
Shapes = Annotated[dict[str, Shape] | None, BeforeValidator(_by_input)]  # by an input's name


def of(shapes: Mapping[str, Shape] | None, name: str) -> Shape | None:
    """The shape that an entry gives to an input; None where it leaves that as it is."""
    return shapes.get(name, shapes.get(ALL)) if shapes else None


def static(shape: Shape | None, place: int) -> int | None:
    """How many elements an axis has; None where that is open or bounded."""
    axis = shape[place] if shape and place < len(shape) else OPEN
    return axis if isinstance(axis, int) and axis != OPEN else None


def bounds(axis: Axis) -> tuple[int, int]:
    """The least and the largest number of elements of an axis; -1 as the largest has no end."""
    if isinstance(axis, str):
        low, high = axis.split("..")
        return int(low), int(high)
    return (0, OPEN) if axis == OPEN else (axis, axis)


def batch(shapes: Mapping[str, Shape] | None) -> int | None:
    """How many items networks take at once; None where nothing says so, or not as one number."""
    found = {static(shape, 0) for shape in (shapes or {}).values()}
    return found.pop() if len(found) == 1 else None


def length(shapes: Mapping[str, Shape] | None) -> int | None:
    """How many tokens networks take of each text; None where that is open."""
    return static(of(shapes, TOKENS), 1)
