"""Landlock: which files, TCP ports and processes this process may reach (Linux 5.13 and later).

landlock(7), include/uapi/linux/landlock.h. A process restricts itself, for good, and all that it
starts. What Landlock does not govern (UDP, pathname unix sockets, chmod, utime) is in seccomp.py.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pipeline.host import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1

# LANDLOCK_ACCESS_FS_*, in the order of their bits
_RIGHTS = (
    "execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file",
    "make_char", "make_dir", "make_reg", "make_sock", "make_fifo", "make_block", "make_sym",
    "refer", "truncate", "ioctl_dev",
)  # fmt: skip
_SINCE = {"refer": 2, "truncate": 3, "ioctl_dev": 5}
_OF_FILES = {"execute", "write_file", "read_file", "truncate", "ioctl_dev"}
_TCP, _TCP_SINCE = 0b11, 4  # bind, connect
_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract unix sockets, signals

READ = frozenset({"read_file", "read_dir"})
RUN = READ | {"execute"}
# No pipes, sockets and devices: nobody who reads what was written must meet one.
WRITE = frozenset(_RIGHTS) - {
    "make_char", "make_sock", "make_fifo", "make_block", "execute", "ioctl_dev",
}  # fmt: skip
DEVICE = frozenset({"read_file", "read_dir", "write_file", "ioctl_dev"})


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """The kernel's Landlock ABI; 0 if there is none, or it is turned off."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[Path, frozenset[str]]], *, network: bool) -> None:
    """Forbid this process whatever the rules do not allow; needs no_new_privs.

    Args:
        rules: a path, and what is allowed on it and below it; what is not there is left out.
        network: whether TCP stays allowed.

    Raises:
        OSError: the kernel refuses.
    """
    abi = version()
    handled = _bits(right for right in _RIGHTS if _SINCE.get(right, 1) <= abi)
    ruleset = _Ruleset(
        handled,
        _TCP if abi >= _TCP_SINCE and not network else 0,
        _SCOPES if abi >= _SCOPES_SINCE else 0,
    )
    made = kernel.syscall(
        _CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0
    )
    try:
        for path, rights in rules:
            _allow(made, path, rights, handled)
        kernel.syscall(_RESTRICT_SELF, made, 0)
    finally:
        os.close(made)


def _allow(ruleset: int, path: Path, rights: frozenset[str], handled: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not there, or not ours to reach
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(_bits(rights) & handled, fd)
        kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)


def _bits(rights: Iterable[str]) -> int:
    return sum(1 << _RIGHTS.index(right) for right in rights)
