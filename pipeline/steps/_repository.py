"""git and DVC as tools that answer: how they are run, asked of a repository, and make one."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from pipeline.errors import ToolError

_GIT = ("git",)
DVC = (sys.executable, "-P", "-m", "dvc")  # the one beside us, whatever PATH says
_DEADLINE_S = 60
# No telemetry, and messages that can be told apart.
_ENVIRONMENT = {"DVC_NO_ANALYTICS": "1", "LC_ALL": "C"}
_NOWHERE = {_GIT: "not a git repository", DVC: "not inside of a DVC repository"}


def check_tools() -> None:
    """Both are installed.

    Raises:
        ToolError: one of them is not.
    """
    if which("git") is None:
        raise ToolError("git: not on PATH; install it, for a project is a git repository")
    if find_spec("dvc") is None:
        raise ToolError("dvc: not installed; want pip install 'openvino-ipfs-pipeline[build]'")


def in_git(folder: Path) -> bool:
    """Whether a folder, or one that it is in, is a git repository."""
    return _asked(_GIT, folder, "rev-parse", "--show-toplevel")


def in_dvc(folder: Path) -> bool:
    """Whether a folder, or one that it is in, is a DVC repository."""
    return _asked(DVC, folder, "root")


def make_git(folder: Path) -> None:
    """Make a folder a git repository."""
    done(_GIT, folder, "init", "--quiet")


def make_dvc(folder: Path, config: bytes) -> None:
    """Make a folder a DVC repository with these settings, anywhere in a git repository."""
    done(DVC, folder, "init", "--subdir")
    (folder / ".dvc" / "config").write_bytes(config)
    done(_GIT, folder, "add", ".dvc/config")  # DVC has staged the empty one


def done(
    tool: tuple[str, ...], folder: Path, *arguments: str, deadline_s: float | None = None
) -> str:
    """What a tool prints that does what it is told.

    Raises:
        ToolError: it fails, or does not end in time.
    """
    answer = _run(tool, folder, *arguments, deadline_s=deadline_s)
    if answer.returncode:
        raise _failure(tool, answer, *arguments)
    return answer.stdout


def _asked(tool: tuple[str, ...], folder: Path, *arguments: str) -> bool:
    answer = _run(tool, folder, *arguments)
    if answer.returncode and _NOWHERE[tool] not in answer.stderr:
        raise _failure(tool, answer, *arguments)
    return answer.returncode == 0


def _run(
    tool: tuple[str, ...], folder: Path, *arguments: str, deadline_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    deadline_s = deadline_s or _DEADLINE_S
    try:
        return subprocess.run(  # noqa: S603 - git or DVC, with arguments of ours
            [*tool, *arguments],
            cwd=folder,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=deadline_s,
        )
    except subprocess.TimeoutExpired as e:
        raise ToolError(f"{_typed(tool, *arguments)}: no end after {deadline_s} s") from e


def _failure(
    tool: tuple[str, ...], answer: subprocess.CompletedProcess[str], *arguments: str
) -> ToolError:
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error:", "fatal:"))]
    said = [*errors, *lines, f"ended with {answer.returncode}"][0]
    return ToolError(f"{_typed(tool, *arguments)}: {said}")


def _typed(tool: tuple[str, ...], *arguments: str) -> str:
    """A command as a person would type it."""
    return " ".join([tool[-1], *arguments])
