"""System calls that Python's standard library does not wrap (Linux)."""

import ctypes
import functools
import os
from typing import Any


@functools.cache
def libc() -> Any:
    """The C library; loaded when it is asked for, because not every system has one by that name."""
    return ctypes.CDLL(None, use_errno=True)


def check(result: int) -> int:
    """The result of a call into libc.

    Raises:
        OSError: it was -1; with the call's errno.
    """
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def syscall(number: int, *args: object) -> int:
    """A system call by its number; integers are passed as C longs.

    Raises:
        OSError: it failed, or this kernel does not have it (ENOSYS).
    """
    longs = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return check(int(libc().syscall(ctypes.c_long(number), *longs)))


def prctl(option: int, value: int) -> None:
    """Set one thing about this process, as prctl does.

    Raises:
        OSError: it failed.
    """
    check(int(libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0)))
