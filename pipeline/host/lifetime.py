"""A process that does not outlive the one that started it."""

import os
import signal
import sys

from pipeline.host import kernel

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere nothing).

    The parent is the thread that started it (prctl(2)): this is for processes whose parent has one.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call took effect
        os.kill(os.getpid(), signal.SIGKILL)
