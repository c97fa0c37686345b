"""The parts of a CAR as they come: header, then sections, each bounded before it is read.

Sources: CARv1 (https://ipld.io/specs/transport/car/carv1/, "Data", "Length") and CARv2
(https://ipld.io/specs/transport/car/carv2/, "Pragma", "Header", "CARv1 data payload").
"""

import io
from typing import BinaryIO

from pipeline.errors import BudgetError, ContentError
from pipeline.ipfs.car.header import parse_header
from pipeline.ipfs.cid import Cid, read_varint
from pipeline.ipfs.unixfs import Budget

MAX_CID = 64  # bytes: more than any sha2-256 CID has
_MAX_HEADER = 64 << 10  # bytes: room for 1,500 roots
_MAX_PADDING = 1 << 20  # bytes between the header of a CARv2 and its payload
_V2_PRAGMA = b"\x0a\xa1\x67version\x02"


class CarInput:
    """A stream that knows how far it has been read, and how far it may be."""

    def __init__(self, stream: BinaryIO, end: int | None) -> None:
        self._stream = stream
        self.position = 0
        self.end = end

    def take(self, count: int) -> bytes:
        """Exactly so many bytes."""
        self._advance(count)
        parts = []
        while count:
            part = self._stream.read(count)
            if not part:
                raise ContentError(f"CAR ends {count} bytes early")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Go past so many bytes of a file."""
        self._advance(count)
        self._stream.seek(count, io.SEEK_CUR)

    def varint(self, first: bytes | None = None) -> int:
        """The varint that comes next."""
        encoded = self.take(1) if first is None else first
        while encoded[-1] & 0x80 and len(encoded) < 9:
            encoded += self.take(1)
        return read_varint(encoded, 0)[0]

    def section(self, budget: Budget) -> int | None:
        """The length of the section that comes next; None at the end ("Length")."""
        if self.position == self.end:
            return None
        first = self._stream.read(1)
        if not first:
            if self.end is not None:
                raise ContentError(f"CAR ends {self.end - self.position} bytes early")
            return None
        self._advance(1)
        length = self.varint(first)
        if length > budget.block_bytes + MAX_CID:
            raise BudgetError(f"CAR section of {length} bytes: at most {budget.block_bytes}")
        return length

    def _advance(self, count: int) -> None:
        self.position += count
        if self.end is not None and self.position > self.end:
            raise ContentError(f"CAR ends {self.position - self.end} bytes early")


def read_header(car: CarInput) -> tuple[Cid, ...]:
    """The roots; `car` then stands before the first section, its end set if it is a CARv2."""
    header = _take_header(car)
    if header == _V2_PRAGMA[1:]:
        fixed = car.take(40)
        start, size = (int.from_bytes(fixed[i : i + 8], "little") for i in (16, 24))
        if start < car.position or (car.end is not None and start + size > car.end):
            raise ContentError(f"CARv2 payload of {size} bytes at {start} is out of bounds")
        if start - car.position > _MAX_PADDING:
            raise BudgetError(f"CARv2 payload at {start}: at most {_MAX_PADDING} bytes of padding")
        car.take(start - car.position)
        car.end = start + size
        header = _take_header(car)
    return parse_header(header)


def _take_header(car: CarInput) -> bytes:
    length = car.varint()
    if length > _MAX_HEADER:
        raise BudgetError(f"CAR header of {length} bytes: at most {_MAX_HEADER}")
    return car.take(length)
