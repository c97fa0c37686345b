"""The processes below this one (Linux; elsewhere none is seen)."""

import contextlib
import os
import signal
import time
from pathlib import Path

from pipeline.host import kernel

_PR_SET_CHILD_SUBREAPER = 36
_KIB = {b"RssAnon:", b"RssShmem:"}


def adopt_orphans() -> None:
    """Become the parent of whatever a descendant leaves behind, even in a session of its own."""
    with contextlib.suppress(OSError, AttributeError):
        kernel.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> list[int]:
    """The processes below one; proc_pid_task(5)."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for children in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                new = [int(child) for child in children.read_bytes().split()]
                found += new
                waiting += new
    return found


def memory_bytes(pids: list[int]) -> int:
    """What processes hold in memory of their own and in shared memory.

    Files that can be read again are not counted; what a fork has not written to yet is, for both.
    """
    return sum(map(_memory_bytes, pids))


def end_all(within_s: float = 5.0) -> None:
    """Kill every descendant of this process, and wait until there is none."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _reap():
            return
        time.sleep(0.001)


def _reap() -> bool:
    """Collect the dead; whether there are children left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _memory_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    fields = (line.split() for line in status.splitlines())
    return sum(int(parts[1]) * 1024 for parts in fields if parts and parts[0] in _KIB)
