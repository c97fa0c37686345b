"""The files of a folder that a stranger may have filled, and copies of those that are wanted.

A link is followed where it stays inside the folder, so that nobody's files elsewhere become part of
a model; and in the cache of a Hugging Face hub, whose snapshots link to its blobs. What is no file,
or lies outside, refuses the folder if it is wanted, and is no matter otherwise. Nothing but regular
files is ever opened.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import SourceError

# How much is looked at behind links to folders: inside they can multiply, outside lies anything.
MAX_LINKED_ENTRIES = 10_000
MAX_OUTSIDE_ENTRIES = 1000


class Found(NamedTuple):
    """Something that is no folder.

    Args:
        name: its POSIX path below the folder, through links.
        path: the file itself.
        problem: why it cannot be copied; None if it is a regular file that may be.
    """

    name: str
    path: Path
    problem: str | None = None


def copy(folder: Path, wanted: Callable[[str], bool], out: Path, *, where: str) -> list[str]:
    """Copy the wanted files of a folder; returns their names, sorted.

    Args:
        folder: may itself be a link, or be reached through one.
        wanted: by the name of a file.
        out: the folder to fill.
        where: which source this is, for messages.

    Raises:
        SourceError: what is wanted is no regular file, lies outside or cannot be read.
    """
    names = []
    try:
        for found in files(folder):
            if not wanted(found.name):
                continue
            if found.problem:
                raise SourceError(f"{where}: {found.problem}")
            (out / found.name).parent.mkdir(parents=True, exist_ok=True)
            _copy_file(found.path, out / found.name)
            names.append(found.name)
    except OSError as e:
        raise SourceError(f"{where}: {e}") from e
    return names


def files(folder: Path) -> list[Found]:
    """Everything below a folder that is no folder, sorted by name.

    Raises:
        SourceError: links inside the folder multiply it, or a folder in it cannot be read.
    """
    try:
        return sorted(_walk(folder.resolve()), key=lambda found: found.name)
    except OSError as e:
        raise SourceError(f"{folder}: {e}") from e


def reach(folder: Path) -> tuple[Path, ...]:
    """Where the files of a folder may lie: in it, and in the blobs of a hub's cache."""
    root = folder.resolve()
    return (root, _blobs(root)) if root.parent.name == "snapshots" else (root,)


def _walk(root: Path) -> Iterator[Found]:
    linked = 0
    pending: list[tuple[str, tuple[Path, ...], bool]] = [("", (root,), False)]
    while pending:
        prefix, chain, through_link = pending.pop()
        for entry in os.scandir(chain[-1]):
            name, path = f"{prefix}{entry.name}", chain[-1] / entry.name
            linked += through_link
            if linked > MAX_LINKED_ENTRIES:
                raise SourceError(f"{root}: more than {MAX_LINKED_ENTRIES} files behind links")
            is_link = entry.is_symlink()
            if is_link:
                target = _target(path)
                if target is None:
                    yield Found(name, path, f"{name!r} is a link to nowhere: want a file")
                    continue
                if not target.is_relative_to(root) and not _is_blob(target, root):
                    yield from _outside(name, path, target)
                    continue
                path = target
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                if path not in chain:  # a link to where it lies would go on for ever
                    pending.append((f"{name}/", (*chain, path), through_link or is_link))
            elif stat.S_ISREG(mode):
                yield Found(name, path)
            else:
                yield Found(name, path, f"{name!r} is no regular file: want a file")


def _target(link: Path) -> Path | None:
    """Where a link leads in the end; None if that is nowhere, or in a circle."""
    try:
        return link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a circle, before Python 3.13
        return None


def _is_blob(target: Path, root: Path) -> bool:
    """Whether a file is one that a snapshot in a hub's cache links to."""
    return root.parent.name == "snapshots" and target.parent == _blobs(root) and target.is_file()


def _blobs(snapshot: Path) -> Path:
    return snapshot.parent.parent / "blobs"


def _outside(name: str, link: Path, target: Path) -> Iterator[Found]:
    """A link that leaves the folder and, if it leads to a folder, the names in that one."""
    problem = (
        f"{name!r} is a link to {str(target)!r}, outside the folder: "
        "copy what is needed into the folder"
    )
    yield Found(name, link, problem)
    with suppress(OSError):
        for entry in islice(os.scandir(target), MAX_OUTSIDE_ENTRIES):
            yield Found(f"{name}/{entry.name}", link, problem)


def _copy_file(path: Path, copied: Path) -> None:
    """Copy a regular file, and nothing that took its place since it was found."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise SourceError(f"{path}: no regular file any more")
        with copied.open("wb") as made:
            shutil.copyfileobj(file, made, 1 << 20)
