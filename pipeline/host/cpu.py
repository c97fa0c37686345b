"""CPU time as the kernel counts it: of the processors that we may run on, and of that our own.

In a container /proc/stat lists every processor of the host, so those are picked that
sched_getaffinity(2) names. What runs on them beside us is counted wherever it comes from. A quota
(cpu.max of a cgroup) shows in none of this: a process that waits for its next share is idle.
"""

import contextlib
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from pipeline.host import tree

_PROCESSOR = re.compile(r"cpu\d")


class Ticks(NamedTuple):
    """Clock ticks: of all time, of what was not idle of it, and of what our processes used."""

    total: int
    busy: int
    own: int

    def since(self, before: "Ticks") -> "Ticks":
        """What came on top."""
        return Ticks(*(now - then for now, then in zip(self, before, strict=True)))


def ticks() -> Ticks:
    """The ticks so far; our own are those of this process and of all below it."""
    own = sum(map(_used, (os.getpid(), *tree.descendants(os.getpid()))))
    stat = ""
    with contextlib.suppress(OSError):
        stat = Path("/proc/stat").read_text(encoding="ascii")
    return Ticks(*processors(stat, os.sched_getaffinity(0)), own)


def processors(stat: str, ours: Collection[int]) -> tuple[int, int]:
    """The ticks of some processors, and those that were not idle (proc_stat(5)).

    Args:
        stat: a text of /proc/stat.
        ours: the numbers of the processors. Where some are not listed, the text is a container's
            own with numbers of its own (LXCFS), and all that it lists are meant.
    """
    lines = (line.split() for line in stat.splitlines() if _PROCESSOR.match(line))
    # From user to steal, which is what other guests of the machine took; guest is in user.
    listed = {int(name[3:]): [int(field) for field in fields[:8]] for name, *fields in lines}
    meant = listed.keys() & ours if listed.keys() >= set(ours) else listed.keys()
    total = sum(sum(listed[number]) for number in meant)
    return total, total - sum(listed[number][3] + listed[number][4] for number in meant)


def others_share(*spans: Ticks) -> float | None:
    """The part of all time in these spans that was neither idle nor ours.

    None where the kernel does not say: some sandboxes have an empty /proc/stat, or one of zeros.
    """
    total, busy, own = (sum(counted) for counted in zip(*spans, strict=True))
    return max(busy - own, 0) / total if total > 0 else None


def _used(pid: int) -> int:
    """Ticks of a process and of those below it that have ended (proc_pid_stat(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # it ended meanwhile
        return 0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15]))
