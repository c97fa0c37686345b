"""DVC, run and asked in the environment that we run in, whatever PATH says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import ToolError
from pipeline.layout import Layout
from pipeline.steps import _repository

_ANSWER_S = 600
# It ends when we are killed, and its stages with it.
_DVC_OF_OURS = [
    *(sys.executable, "-P", "-c"),
    "import sys; from pipeline.host.lifetime import die_with_parent; die_with_parent(); "
    "from dvc.cli import main; sys.exit(main(sys.argv[1:]))",
]
# What `dvc repro` says of a stage, on standard output.
_STARTED = re.compile(r"Running stage '(?:.*:)?(?P<address>[^':]+)'")
_SPARED = re.compile(r"Stage '(?:.*:)?(?P<address>[^':]+)' (?P<how>didn't change|is cached)")


class Event(NamedTuple):
    """What `dvc repro` says of a stage: it was not run, or restored from the cache, or is run."""

    address: str
    what: Literal["unchanged", "restored", "running"]


def repro(layout: Layout, told: Callable[[Event], None]) -> int:
    """`dvc repro --keep-going`, with each stage told as DVC comes to it; its exit code.

    Standard error stays the caller's: stages say there what they refuse, and show how far they are.

    Raises:
        ToolError: this is no DVC project.
    """
    _demand_a_grid(layout)
    if not _repository.in_dvc(layout.root):
        raise ToolError(f"{layout.root.absolute()}: no DVC repository: dvc init makes it one")
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and its DVC
        [*_DVC_OF_OURS, "repro", "--keep-going"],
        cwd=layout.root,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout or ():
            if (event := _event(line)) is not None:
                told(event)
        return process.wait()
    finally:
        process.terminate()
        process.wait()


def changed(layout: Layout) -> dict[str, list[Any]]:
    """What `dvc status` finds changed in dvc.yaml, by the address of the stage.

    Raises:
        ToolError: this is no DVC project.
    """
    _demand_a_grid(layout)
    answer: dict[str, list[Any]] = json.loads(
        _ask("status", "--json", "dvc.yaml", layout=layout) or "{}"
    )
    return answer


class Lock:
    """What dvc.lock says of the last run of each stage."""

    def __init__(self, layout: Layout) -> None:
        from ruamel.yaml import YAML

        self._layout = layout
        lock = layout.root / "dvc.lock"
        fields = YAML(typ="safe").load(lock) if lock.exists() else None
        self._stages: dict[str, Any] = (fields or {}).get("stages", {})

    def __contains__(self, address: str) -> bool:
        return address in self._stages

    def former(self, address: str, path: Path) -> bytes | None:
        """What a dependency of a stage held when the stage last ran; None if that is not known.

        The lock has its hash, and DVC's cache what has that hash, if it was made or fetched here.
        """
        for dependency in self._stages.get(address, {}).get("deps", []):
            if dependency.get("path") == path.relative_to(self._layout.root).as_posix():
                md5 = str(dependency.get("md5"))
                kept = self._cache / "files" / "md5" / md5[:2] / md5[2:]
                return kept.read_bytes() if kept.is_file() else None
        return None

    @cached_property
    def _cache(self) -> Path:
        return self._layout.root / _ask("cache", "dir", layout=self._layout).strip()


def _demand_a_grid(layout: Layout) -> None:
    """Refuse where DVC would find nothing to do."""
    if not (layout.root / "dvc.yaml").is_file():
        raise ToolError("dvc.yaml: not there; run this in the project's root")


def _event(line: str) -> Event | None:
    if started := _STARTED.match(line):
        return Event(started["address"], "running")
    if spared := _SPARED.match(line):
        what: Literal["unchanged", "restored"] = (
            "restored" if spared["how"] == "is cached" else "unchanged"
        )
        return Event(spared["address"], what)
    return None


def _ask(*arguments: str, layout: Layout) -> str:
    """What DVC prints in answer to a command.

    Raises:
        ToolError: it fails.
    """
    return _repository.done(_repository.DVC, layout.root, *arguments, deadline_s=_ANSWER_S)


def _environment() -> dict[str, str]:
    """Ours, with the programs of our environment first, so that stages run in it too."""
    programs = str(Path(sys.executable).absolute().parent)
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONUNBUFFERED": "1",
    }
