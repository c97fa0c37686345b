"""The walls around a child process, put up by the child itself before it reads anything foreign.

In this order: capabilities dropped, Landlock, seccomp; before them, where they are allowed,
namespaces. docs/walls.md says what each stops and what not.
"""

import ctypes
import functools
import itertools
import os
import site
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline import kinds
from pipeline.host import kernel, landlock, seccomp

NAMESPACES = "namespaces"
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_SCOPED_LANDLOCK = 6  # from here on it stops signals, too

_ROOT = Path("/")
_SHARED = (_ROOT, _ROOT / "usr", _ROOT / "usr/local")
# What the linker, the C library and the native libraries open.
_SYSTEM = (
    "usr/lib", "usr/lib64", "lib", "lib64", "etc/ld.so.cache", "etc/localtime",
    "usr/share/zoneinfo", "dev/urandom", "dev/random", "dev/zero", "sys/devices/system",
    "proc/cpuinfo", "proc/meminfo", "proc/self",
)  # fmt: skip
_NETWORK = (
    "etc/resolv.conf", "etc/hosts", "etc/host.conf", "etc/nsswitch.conf", "etc/gai.conf",
    "etc/services", "etc/ssl", "etc/pki", "etc/ca-certificates", "usr/share/ca-certificates",
    "usr/local/share/ca-certificates", "run/systemd/resolve",
)  # fmt: skip
_DEVICES = ("dev/dri", "dev/accel")
_DRIVERS = ("sys/class", "sys/devices", "sys/bus", "sys/dev", "etc/OpenCL", "etc/ld.so.conf",
            "etc/ld.so.conf.d", "opt/intel")  # fmt: skip


class Access(NamedTuple):
    """What a child may reach beside Python, its libraries and its scratch.

    Args:
        reads: files and folders.
        writes: folders.
        network: whether it may reach the internet.
        devices: whether it may use accelerators (GPU, NPU) and their drivers.
        environment: the variables that it sees beside the usual ones.
    """

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    network: bool = False
    devices: bool = False
    environment: tuple[str, ...] = ()


def raise_walls(access: Access, code: Iterable[Path], within: Collection[str] = ()) -> list[str]:
    """Confine this process, which must have one thread, to what it may reach.

    Args:
        access: what the task needs.
        code: what Python needs: `code_folders` of the parent.
        within: the walls that hold already.

    Returns:
        The walls that hold, as `landlock 7`, `seccomp`.
    """
    if not sys.platform.startswith("linux"):
        return []
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _drop_capabilities()
    held = list(within)
    if abi := landlock.version():
        landlock.restrict(_rules(access, code), network=access.network)
        held.append(f"landlock {abi}")
    if seccomp.available():
        try:
            seccomp.restrict(network=access.network, read_only=NAMESPACES in within)
            held.append("seccomp")
        except OSError:  # a kernel without it
            pass
    return held


def suffice(held: Collection[str]) -> bool:
    """Whether foreign code may run behind these walls: it reaches no file, network or process."""
    names = {wall.partition(" ")[0]: wall.partition(" ")[2] for wall in held}
    if not {"landlock", "seccomp"} <= names.keys():
        return False
    return NAMESPACES in names or int(names["landlock"]) >= _SCOPED_LANDLOCK


def code_folders() -> tuple[Path, ...]:
    """Where Python, our own code, the user's members and the libraries lie.

    Of another folder on the import path (a checkout, where a script lies) only the packages and
    modules count: the rest is somebody's own.
    """
    own = [kinds.root(), *itertools.chain(*kinds.folders().values())]  # which may be links
    return (*_code_folders(tuple(sys.path), Path.cwd()), *filter(None, own))


@functools.cache
def _code_folders(search: tuple[str, ...], here: Path) -> tuple[Path, ...]:
    folders = [
        folder
        for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)
        for folder in _of_python(Path(prefix))
    ]
    folders.append(Path(__file__).parents[1])
    if site.ENABLE_USER_SITE:
        folders.append(Path(site.getusersitepackages()))
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    folders += [Path(entry) for entry in libraries if entry and not here.is_relative_to(entry)]
    for entry in map(Path, filter(None, search)):
        if entry.is_file() or (_holds_distributions(entry) and not here.is_relative_to(entry)):
            folders.append(entry)
        else:
            folders += [found.parent for found in entry.glob("*/__init__.py")]
            folders += entry.glob("*.py")
    absolute = {folder.absolute() for folder in folders}
    return tuple(sorted(absolute - {_ROOT}))


def _of_python(prefix: Path) -> list[Path]:
    """What Python needs of where it is installed; of a place that it shares, its libraries alone.

    Else a distribution's own Python would grant all of /usr, with every program in it.
    """
    return [prefix / "lib", prefix / "lib64"] if prefix in _SHARED else [prefix]


def _holds_distributions(folder: Path) -> bool:
    """Whether something installs into it (site-packages, `pip install --target`)."""
    return any(folder.glob("*.dist-info"))


def _rules(access: Access, code: Iterable[Path]) -> list[tuple[Path, frozenset[str]]]:
    rules = [(_ROOT / name, landlock.RUN) for name in _SYSTEM]
    rules += [(folder, landlock.RUN) for folder in code]
    rules += [(path, landlock.READ) for path in access.reads]
    rules += [(path, landlock.READ | landlock.WRITE) for path in access.writes]
    rules.append((Path(os.devnull), landlock.DEVICE))
    if access.network:
        rules += [(_ROOT / name, landlock.READ) for name in _NETWORK]
    if access.devices:
        rules += [(_ROOT / name, landlock.READ) for name in _DRIVERS]
        rules += [(_ROOT / name, landlock.DEVICE) for name in _DEVICES]
    return rules


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _drop_capabilities() -> None:
    """capset(2) to none; with no_new_privs not even root gets them back."""
    header, none = _Header(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    kernel.check(kernel.libc().capset(ctypes.byref(header), ctypes.byref(none)))
