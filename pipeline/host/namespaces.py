"""Namespaces: a process that sees no other, has no network, and can write nowhere but its scratch.

user_namespaces(7), mount_setattr(2). Many containers and some systems forbid them; then Landlock
and seccomp stand alone.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.host import kernel

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    )


class UnfinishedError(Exception):
    """The process is in namespaces, but not as it should be: it must end."""


def enter(writes: Iterable[Path], *, network: bool) -> bool:
    """Move this process into namespaces of its own, its children into the PID one.

    It must have one thread.

    Args:
        writes: the folders that stay writable.
        network: whether the machine's network stays.

    Returns:
        False if they are forbidden here, and nothing was changed.

    Raises:
        UnfinishedError: some of it failed when there was no way back.
    """
    user, group = os.getuid(), os.getgid()
    flags = _NEWUSER | _NEWNS | _NEWPID | _NEWIPC | (0 if network else _NEWNET)
    try:
        kernel.check(kernel.libc().unshare(flags))
    except OSError:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
        _freeze(writes)
    except OSError as e:
        raise UnfinishedError(str(e)) from e
    return True


def _freeze(writes: Iterable[Path]) -> None:
    """Make every mount read-only but those of the folders."""
    folders = [os.fsencode(folder) for folder in writes]
    kernel.check(kernel.libc().mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    for folder in folders:
        kernel.check(kernel.libc().mount(folder, folder, None, ctypes.c_ulong(_MS_BIND), None))
    _set_attributes(b"/", _MountAttributes(attr_set=_RDONLY), _AT_RECURSIVE)
    for folder in folders:
        _set_attributes(folder, _MountAttributes(attr_clr=_RDONLY), 0)


def _set_attributes(path: bytes, attributes: _MountAttributes, flags: int) -> None:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    kernel.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, flags, ctypes.byref(attributes), size)
