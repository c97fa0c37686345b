"""Protocol Buffers without their schemas: where the fields of a message lie, and that it is whole.

Only lengths are read, so a message of gigabytes that is mapped stays on the disk.
"""

from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

_VARINT, _BYTES = 0, 2  # wire types
_SIZES = {1: 8, 5: 4}  # bytes of those of fixed size
_MAX_VARINT_BYTES = 10


class Field(NamedTuple):
    """A field: its number, and where what it holds begins and ends; a varint is not looked at."""

    number: int
    begin: int
    end: int


def fields(message: bytes | mmap, begin: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of a message in their order.

    Args:
        message: what it lies in.
        begin: where it begins there.
        end: where it ends; by default with that.

    Raises:
        EOFError: it ends early.
        ValueError: it is no message.
    """
    at, end = begin, len(message) if end is None else end
    while at < end:
        field_at = at
        key, at = _integer(message, at, end)
        number, kind = key >> 3, key & 7
        size = _SIZES.get(kind, 0)
        if kind == _VARINT:
            _, at = _integer(message, at, end)
        elif kind == _BYTES:
            size, at = _integer(message, at, end)
        elif not size:
            raise ValueError(f"no field begins at byte {field_at}")
        if not number:
            raise ValueError(f"no field begins at byte {field_at}")
        if at + size > end:
            raise EOFError(f"field {number} wants {at + size} bytes, it has {end}")
        yield Field(number, at, at + size)
        at += size


def _integer(message: bytes | mmap, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if at + place >= end:
            raise EOFError(f"it ends in a number, after {end} bytes")
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError(f"no number begins at byte {at}")
