"""Files on disk, read while nothing changes.

Only files and folders are taken; symlinks, devices, FIFOs and names that cannot travel are refused
by name. A file is the same file from the scan to the last byte: device, inode, size and
modification time are compared before and after each reading. A change within one clock tick of the
file system escapes that; what is read from a CAR is hashed again by whoever reads it.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from pathlib import Path, PureWindowsPath

from pipeline.errors import ContentError, IntegrityError

_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO put in a file's place must not block
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_MAX_NAME = 255  # bytes; what the usual file systems take

Read = Callable[[int, int], Iterator[memoryview]]
"""Bytes from a place on, so many, in pieces that are valid until the next one is asked for."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder as it was when it was scanned.

    Attributes:
        name: its path below what was scanned, with slashes; of a single file its name.
        path: where it is.
        stamp: device, inode, size and modification time.
        entries: of a folder, the names in it, in byte order.
    """

    name: str
    path: str
    stamp: tuple[int, ...]
    entries: tuple[bytes, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of content."""
        return self.stamp[2]

    def check(self) -> None:
        """Raise IntegrityError if it is no longer what was scanned."""
        self._compare(os.lstat(self.path) if os.path.lexists(self.path) else None)

    @contextmanager
    def reading(self, buffer: memoryview) -> Iterator[Read]:
        """The file, open to be read by way of a buffer; compared at the start and at the end."""
        with self._opened() as file:
            yield partial(self._pieces, file, buffer)

    def read_into(self, target: memoryview, start: int) -> None:
        """Fill a part of memory with what stands from a place on."""
        with self._opened() as file:
            file.seek(start)
            while target:
                target = target[self._read(file, target) :]

    def _pieces(
        self, file: FileIO, buffer: memoryview, start: int, size: int
    ) -> Iterator[memoryview]:
        file.seek(start)
        while size:
            count = self._read(file, buffer[:size])
            yield buffer[:count]
            size -= count

    def _read(self, file: FileIO, target: memoryview) -> int:
        count = file.readinto(target)
        if not count:
            raise IntegrityError(f"{self.name} became shorter while it was read")
        return count

    @contextmanager
    def _opened(self) -> Iterator[FileIO]:
        try:
            file = FileIO(os.open(self.path, _READ))
        except OSError as e:
            raise ContentError(f"{self.name}: cannot be read: {e.strerror}") from e
        with file:
            self._compare(os.fstat(file.fileno()))
            yield file
            self._compare(os.fstat(file.fileno()))

    def _compare(self, found: os.stat_result | None) -> None:
        if found is None or _stamp(found) != self.stamp:
            raise IntegrityError(f"{self.name or self.path} changed while it was read")


@dataclass(frozen=True, slots=True)
class Held(Source):
    """A file as it was read into memory; what happens to it on disk is no matter any more.

    Attributes:
        content: its bytes.
    """

    content: memoryview = field(kw_only=True)

    def check(self) -> None:
        """Memory does not change."""

    @contextmanager
    def reading(self, buffer: memoryview) -> Iterator[Read]:
        """The bytes that are held; no buffer is needed."""
        yield lambda start, size: iter((self.content[start : start + size],))


def new_buffer() -> memoryview:
    """What one reader reads into: small enough to stay in a core's cache until it is hashed."""
    return memoryview(bytearray(256 << 10))


def scan(root: Path) -> tuple[list[Source], list[Source]]:
    """The folders, each before what it holds, and the files at and below a path."""
    folders: list[Source] = []
    files: list[Source] = []
    pending = [("", os.path.abspath(root))]
    while pending:
        name, path = pending.pop()
        try:
            found = os.lstat(path)
            names = os.listdir(path) if stat.S_ISDIR(found.st_mode) else []
        except OSError as e:
            raise ContentError(f"{path}: cannot be read: {e.strerror}") from e
        if stat.S_ISDIR(found.st_mode):
            entries = {os.fsencode(below): below for below in names}
            folders.append(Source(name, path, _stamp(found), tuple(sorted(entries))))
            for encoded, below in entries.items():
                text = _named(encoded, path)
                pending.append((f"{name}/{text}" if name else text, os.path.join(path, below)))
        elif stat.S_ISREG(found.st_mode):
            name = name or _named(os.fsencode(os.path.basename(path)), path)
            files.append(Source(name, path, _stamp(found)))
        else:
            raise ContentError(f"{path} is a {_kind(found.st_mode)}: have files and folders")
    return folders, files


def check_name(name: bytes) -> str:
    """The name of a folder's entry, if it can travel ("Restricted Names")."""
    try:
        text = name.decode()
    except UnicodeDecodeError as e:
        raise ContentError(f"name {name!r} is not UTF-8") from e
    if text in ("", ".", "..") or "/" in text or "\0" in text or len(name) > _MAX_NAME:
        raise ContentError(f"name {text!r} cannot travel: empty, '.', '..', '/', NUL or too long")
    if os.name == "nt" and (
        set(text) & set('\\:*?"<>|') or text[-1] in ". " or PureWindowsPath(text).is_reserved()
    ):
        raise ContentError(f"name {text!r} means something else on Windows")
    return text


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _named(encoded: bytes, path: str) -> str:
    try:
        return check_name(encoded)
    except ContentError as e:
        raise ContentError(f"{path}: {e}") from e


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "symlink"
    return "FIFO" if stat.S_ISFIFO(mode) else "socket or device"
