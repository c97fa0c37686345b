"""Commands as others would run them: as an ordinary user, and where namespaces are forbidden."""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.host import landlock

# Landlock of ABI 6 stops signals, too; an older one needs namespaces for that.
NEEDS_LANDLOCK = pytest.mark.skipif(
    landlock.version() < 6, reason=f"want Landlock of ABI 6: this kernel has {landlock.version()}"
)
NOBODY = 65534


def as_ordinary_user(command: list[str], writes: Path) -> list[str]:
    """The command as `nobody`, who may write to a folder; if we are no root, as it is.

    Python may lie in root's home, which nobody else may enter: then the command gets a view of the
    file system in which that folder holds Python and nothing else, and is open to all.
    """
    if os.getuid() != 0:
        return command
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv to become an ordinary user with")
    os.chown(writes, NOBODY, NOBODY)
    for folder in (writes, *writes.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--bounding-set=-all", "--inh-caps=-all"]  # fmt: skip
    closed = _first_closed(Path(sys.base_prefix))
    if closed is None:
        return [*drop, *command]
    python, aside = shlex.quote(sys.base_prefix), shlex.quote(str(writes / "python"))
    script = (
        f"mkdir {aside} && mount --bind {python} {aside} && "
        f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))} && mkdir -p {python} && "
        f'mount --bind {aside} {python} && umount {aside} && exec "$@"'
    )
    within = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*within, "true"], capture_output=True, timeout=30).returncode:
        pytest.skip(f"{closed}: nobody but its owner may enter it, and mounts are forbidden here")
    (writes / "python").rmdir()
    return [*within, *drop, *command]


def without_namespaces(command: list[str]) -> list[str]:
    """The command with a filter around it that refuses unshare(2), as containers have one."""
    program = (
        "import os, sys\n"
        "from pipeline.host import kernel, seccomp\n"
        "seccomp._REFUSED = {'unshare': seccomp._REFUSED['unshare']}\n"
        "seccomp._UNKNOWN = {}\n"
        "seccomp._SOCKET = seccomp._PRLIMIT = -1 & 0xFFFFFFFF\n"
        "kernel.prctl(38, 1)\n"
        "seccomp.restrict(network=True, read_only=True)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", program, *command]


@functools.cache
def namespaces_are_allowed() -> bool:
    """Whether a process may make all the namespaces of a child here."""
    program = (
        "from pathlib import Path\nfrom pipeline.host import namespaces\n"
        "try: print(namespaces.enter([Path('/tmp')], network=False))\n"
        "except namespaces.UnfinishedError: print(False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout == "True\n"


def _first_closed(path: Path) -> Path | None:
    """The first folder above a path that other users may not enter."""
    closed = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001]
    return closed[0] if closed else None
