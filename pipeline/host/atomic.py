"""Outputs appear whole or not at all.

A stage builds in a fresh folder under .work/, which is on the artifacts' file system; what is
complete is synced and renamed into place. One lock per output keeps a stage that a killed DVC left
behind from racing its successor.
"""

import errno
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import IntegrityError, LockedError


@contextmanager
def building(work: Path, name: str, *, wait_s: float = 60.0) -> Iterator[Path]:
    """A fresh scratch folder, by its absolute path, for one output; gone when the block ends.

    Args:
        work: the project's .work/ folder.
        name: which output is built; one builder at a time.
        wait_s: how long to wait for another builder of the same output.

    Raises:
        LockedError: another process still builds this output.
    """
    key = name.replace("/", "+")
    with locked(work / "lock" / key, name, wait_s=wait_s):
        scratch_parent = work / "scratch" / key
        shutil.rmtree(scratch_parent, ignore_errors=True)  # what a killed builder left
        scratch_parent.mkdir(parents=True)
        try:
            yield Path(tempfile.mkdtemp(dir=scratch_parent.absolute()))
        finally:
            shutil.rmtree(scratch_parent, ignore_errors=True)


@contextmanager
def locked(path: Path, name: str, *, wait_s: float) -> Iterator[None]:
    """Hold a lock file, which stays when the block ends, for one process at a time.

    Raises:
        LockedError: another process still holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        _acquire(lock.fileno(), name, wait_s)
        yield


def folder(path: Path) -> Path:
    """A new folder."""
    path.mkdir()
    return path


def publish(built: Path, target: Path, *, replace: bool = True, durable: bool = True) -> None:
    """Move a finished file or folder into place, replacing what is there.

    Unless it need not be `durable`, because it is made anew each time, its contents are synced
    before the rename, the parent after it. A folder that is in the way is moved aside first,
    because rename(2) replaces no folder that has contents.

    Raises:
        IntegrityError: there is something in it that is neither a file nor a folder.
        FileExistsError: something is there, and it may not `replace` it.
    """
    if durable:
        _sync_tree(built)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not replace and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if replace and target.is_dir() and not target.is_symlink():
        aside = built.parent / f"{target.name}.replaced"
        target.rename(aside)
        built.rename(target)
        shutil.rmtree(aside)
    else:
        built.replace(target)
    if durable:
        _sync(target.parent)


def write_text(text: str, target: Path, work: Path) -> None:
    """Write one small file whole, durably."""
    with building(work, str(target)) as scratch:
        built = scratch / target.name
        built.write_text(text, encoding="utf-8", newline="\n")
        publish(built, target)


def _acquire(fd: int, name: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return _lock(fd)
        except (BlockingIOError, PermissionError) as e:
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"{name}: another process has been building it for {wait_s:.0f} s; "
                    "wait for it or end it"
                ) from e
            time.sleep(0.1)


def _lock(fd: int) -> None:
    """Lock an open file until it is closed; BlockingIOError or PermissionError if it is locked."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_tree(path: Path) -> None:
    """Sync what a child process may have left: nothing but files and folders is opened."""
    mode = path.lstat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise IntegrityError(f"{path.name}: want regular files and folders only")
    if stat.S_ISDIR(mode):
        for child in path.iterdir():
            _sync_tree(child)
    _sync(path)


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():  # a folder cannot be opened, nor need it be
        return
    fd = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
