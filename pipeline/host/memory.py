"""How much memory this machine, or the container around us, has; and a cap on some processes.

Control groups hold a process and all that it starts, in the kernel (cgroups(7); version 1 and 2),
but only root, or whom a hierarchy was handed to, may make one.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from pipeline.host import groups

_PREFIX = "ovpipe-"


class _Version(NamedTuple):
    """What a version of control groups calls its files."""

    limit: str
    events: str


_V1 = _Version("memory.limit_in_bytes", "memory.oom_control")
_V2 = _Version("memory.max", "memory.events")
_VERSIONS = {1: _V1, 2: _V2}


def available_bytes() -> int:
    """The machine's memory, or the limit of the control group that we are in, if that is less."""
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    above = groups.above("memory")
    limits = [_number(folder / _VERSIONS[version].limit) for version, folder, _ in above]
    return min([page * pages, *(limit for limit in limits if limit)])


class Group:
    """A control group with a cap on memory, for the processes that join it and what they start."""

    def __init__(self, folder: Path, version: _Version) -> None:
        self._folder, self._version = folder, version
        self._processes = os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    @classmethod
    def create(cls, cap_bytes: int) -> Self | None:
        """A new group below, or for version 2 beside, our own; None if that is not allowed here."""
        for version, parent in _parents():
            folder = parent / f"{_PREFIX}{os.getpid()}"
            try:
                _sweep(parent)
                folder.mkdir()
                (folder / version.limit).write_text(str(cap_bytes), encoding="ascii")
                return cls(folder, version)
            except OSError:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        return None

    def join(self) -> None:
        """Move the calling process into the group; it may be in namespaces by now.

        Raises:
            OSError: it may not.
        """
        os.write(self._processes, b"0")
        os.close(self._processes)

    def overrun(self) -> bool:
        """Whether the kernel has killed something in it for memory."""
        try:
            lines = (self._folder / self._version.events).read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and not line.endswith(" 0") for line in lines)

    def remove(self) -> None:
        """Remove the group, once it is empty."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def _parents() -> Iterator[tuple[_Version, Path]]:
    """The folders in which a group with a cap on memory can be made."""
    for number, folder, _ in groups.own("memory"):
        version = _VERSIONS[number]
        if version is _V1:
            yield version, folder
        else:
            for parent in (folder, folder.parent):
                control = parent / "cgroup.subtree_control"
                if control.is_file() and "memory" in control.read_text(encoding="ascii").split():
                    yield version, parent


def _sweep(parent: Path) -> None:
    """Remove the empty groups of keepers that were killed."""
    for left in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, or not ours
            left.rmdir()


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or `max`
        return None
