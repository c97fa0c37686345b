"""What a server answers."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

_BUFFER_BYTES = 64 << 10


@dataclass(frozen=True)
class Answer:
    """The head of an answer, and its body piece by piece."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    def stream(self) -> BinaryIO:
        """The body as a file that is read once."""
        return io.BufferedReader(_Body(self.pieces), buffer_size=_BUFFER_BYTES)


class _Body(io.RawIOBase):
    """A body as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._rest or next(self._pieces, b"")
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        self._rest = piece[count:]
        return count
