"""seccomp: which system calls this process may make (Linux on x86-64).

A filter in classic BPF (seccomp(2), include/uapi/linux/{seccomp,filter,audit}.h) against what
Landlock does not govern and no conversion needs; everything else passes. It holds for good, and for
all that the process starts. Numbers: arch/x86/entry/syscalls/syscall_64.tbl.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Mapping

from pipeline.host import kernel

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_ARCH_X86_64, _X32_BIT = 0xC000003E, 0x40000000
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data
_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06

_SOCKET, _CLONE, _PRLIMIT = 41, 56, 302
_INTERNET = (2, 10, 16)  # AF_INET, AF_INET6, and AF_NETLINK, which the resolver asks
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS and all the others of clone(2)

_REFUSED = {
    # files that lie outside: Landlock governs their contents, not their owners and attributes
    "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "truncate": 76,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466,
    "file_setattr": 469, "open_by_handle_at": 304, "inotify_init": 253, "inotify_init1": 294,
    "fanotify_init": 300,
    # other processes
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "pidfd_getfd": 438, "pidfd_send_signal": 424, "setpriority": 141, "ioprio_set": 251,
    "sched_setparam": 142, "sched_setscheduler": 144, "sched_setattr": 314,
    # what outlives a process, or is shared with others: System V IPC, message queues, keys
    "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66,
    "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
    "mq_open": 240, "mq_unlink": 241, "add_key": 248, "request_key": 249, "keyctl": 250,
    # the kernel's own surface
    "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "syslog": 103, "acct": 163,
    "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
    "move_mount": 429, "open_tree": 428, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "mount_setattr": 442,
}  # fmt: skip
# Where the world is not read-only anyway, these do nothing and say that they did: modes and times
# of files outside must stay, and whoever copies a file (shutil.copy) sets those of the copy.
_PRETENDED = {
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
    "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
}  # fmt: skip
# These look as if the kernel did not have them, so that callers take the older way: a ring makes
# calls that no filter sees, the flags of clone3 lie where none can look, and the memory of a file
# without a name is counted as nobody's.
_UNKNOWN = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "clone3": 435,
    "memfd_create": 319, "memfd_secret": 447,
}  # fmt: skip

# An instruction: code, how many to skip if true and if false, value.
_Line = tuple[int, int, int, int]


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def available() -> bool:
    """Whether there is a filter for this machine."""
    return sys.platform.startswith("linux") and os.uname().machine == "x86_64"


def restrict(*, network: bool, read_only: bool = False) -> None:
    """Refuse this process the calls above; needs no_new_privs.

    Args:
        network: whether sockets of the internet stay allowed; those of unix never are.
        read_only: whether files outside cannot be changed anyway, because their mounts are so.

    Raises:
        OSError: the kernel refuses.
    """
    lines = _filter(network, {} if read_only else _PRETENDED)
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    program = _Program(len(lines), instructions)
    kernel.check(kernel.libc().prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0))


def _filter(network: bool, pretended: Mapping[str, int]) -> list[_Line]:
    """The whole program."""
    lines = [
        (_LD, 0, 0, _ARCH),
        (_JEQ, 1, 0, _ARCH_X86_64),
        (_RET, 0, 0, _KILL),
        (_LD, 0, 0, _NR),
        (_JGE, 0, 1, _X32_BIT),
        (_RET, 0, 0, _KILL),
    ]
    for number in _REFUSED.values():
        lines += [(_JEQ, 0, 1, number), _refuse(errno.EPERM)]
    for number in pretended.values():
        lines += [(_JEQ, 0, 1, number), _refuse(0)]
    for number in _UNKNOWN.values():
        lines += [(_JEQ, 0, 1, number), _refuse(errno.ENOSYS)]
    lines += _unless(_CLONE, [(_JSET, 0, 1, _NEW_NAMESPACES), _refuse(errno.EPERM)])
    lines += _unless(_PRLIMIT, [(_JEQ, 1, 0, 0), _refuse(errno.EPERM)])  # of this process itself
    families = _INTERNET if network else ()
    known = [(_JEQ, len(families) - i, 0, family) for i, family in enumerate(families)]
    lines += _unless(_SOCKET, [*known, _refuse(errno.EPERM)])
    return [*lines, (_RET, 0, 0, _ALLOW)]


def _unless(number: int, checks: list[_Line]) -> list[_Line]:
    """Checks on the first argument of one call; other calls skip them."""
    return [
        (_JEQ, 0, len(checks) + 2, number),
        (_LD, 0, 0, _ARGS),
        *checks,
        (_LD, 0, 0, _NR),
    ]


def _refuse(code: int) -> _Line:
    return (_RET, 0, 0, _ERRNO | code)
