"""The files of a folder: path, size, sha256; of a source, where they came from too.

`check(folder, of_folder(folder))` holds, and fails as soon as one byte or one name differs.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from pipeline.errors import IntegrityError
from pipeline.record import Record


class FileEntry(Record):
    """One file: its POSIX path inside the folder, size in bytes, sha256 in hex."""

    path: str = Field(min_length=1)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class SourceLock(Record):
    """What a source folder holds, exactly, and where it came from."""

    source: str
    revision: str
    license: str | None
    files: tuple[FileEntry, ...]


def of_folder(folder: Path) -> tuple[FileEntry, ...]:
    """Every file below a folder, in byte order of the paths.

    Raises:
        IntegrityError: the folder holds something that is neither file nor folder.
    """
    files = [path for path in folder.rglob("*") if not _is_folder(path)]
    return tuple(
        FileEntry(path=name, size_bytes=path.stat().st_size, sha256=sha256(path))
        for name, path in sorted((p.relative_to(folder).as_posix(), p) for p in files)
    )


def of_contents(contents: Mapping[str, bytes | memoryview]) -> tuple[FileEntry, ...]:
    """The same of files that are in memory, by path."""
    return tuple(
        FileEntry(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in sorted(contents.items())
    )


def check(folder: Path, expected: Iterable[FileEntry]) -> None:
    """Hold a folder against its manifest.

    Raises:
        IntegrityError: naming the first file that is missing, added or different.
    """
    compare(of_folder(folder), expected, folder)


def compare(found: Iterable[FileEntry], expected: Iterable[FileEntry], folder: Path) -> None:
    """Hold what was found in a folder against its manifest; as `check`."""
    want, have = {e.path: e for e in expected}, {e.path: e for e in found}
    for path in sorted(want.keys() | have.keys()):
        if path not in have:
            raise IntegrityError(f"{folder / path}: missing")
        if path not in want:
            raise IntegrityError(f"{folder / path}: not in the manifest")
        if want[path] != have[path]:
            raise IntegrityError(
                f"{folder / path}: sha256 {have[path].sha256} of {have[path].size_bytes} bytes: "
                f"want {want[path].sha256} of {want[path].size_bytes}"
            )


def digest(entries: Iterable[FileEntry]) -> str:
    """The sha256 of a manifest, in hex; it does not depend on where the folder lies."""
    lines = [entry.model_dump_json() for entry in entries]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sha256(path: Path) -> str:
    """The sha256 of a regular file, in hex; links are not followed."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_folder(path: Path) -> bool:
    mode = path.lstat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise IntegrityError(f"{path}: want regular files and folders only")
    return stat.S_ISDIR(mode)
