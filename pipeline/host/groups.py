"""The control groups that this process is in (cgroups(7); version 1 and 2), and their CPU quota."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

MOUNT = Path("/sys/fs/cgroup")


class Place(NamedTuple):
    """A group's folder, the mount that it lies below, and the version of control groups."""

    version: Literal[1, 2]
    folder: Path
    mount: Path


def own(controller: str) -> Iterator[Place]:
    """The groups of this process that may govern something, or the root of its container."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = MOUNT / controller if controllers else MOUNT
        folder = mount / path.strip("/")
        yield Place(1 if controllers else 2, folder if folder.is_dir() else mount, mount)


def above(controller: str) -> Iterator[Place]:
    """Those groups, each with all above it."""
    for version, folder, mount in own(controller):
        yield Place(version, folder, mount)
        while folder != mount:
            folder = folder.parent
            yield Place(version, folder, mount)


def cpu_quota() -> float | None:
    """How many processors' time these groups may take; None where nothing caps it."""
    return min(filter(None, (_quota(place) for place in above("cpu"))), default=None)


def _quota(place: Place) -> float | None:
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if place.version == 1 else ("cpu.max",)
    try:
        words = " ".join((place.folder / name).read_text(encoding="ascii") for name in names)
        quota, period = map(int, words.split())
    except (OSError, ValueError):  # not there, or `max`
        return None
    return quota / period if quota > 0 else None
