"""kill -9 of a stage, and of dvc itself, in every stage: the next repro ends as if nothing was."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import make_project, repro

from pipeline.steps.catalog import Catalog

STAGES = [
    "machine",
    "fetch@tiny",
    "export@tiny",
    "calibration@tiny",
    "reference@tiny",
    "quantize@tiny-int8",
    "validate@tiny-int8",
    "benchmark@tiny-int8-CPU",
    "package@tiny-int8",
    "catalog",
    "release",
]
QUICK = ("machine", "fetch@tiny", "package@tiny-int8", "catalog", "release")


@pytest.mark.soak
@pytest.mark.parametrize("victim", ["stage", "dvc"])
def test_a_killed_run_leaves_nothing_and_the_next_ends_alike(
    victim: str, finished: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", tiny_bert)

    for stage in STAGES:
        kill_in(stage, victim, project)
        assert not outliving(project), f"{stage}: something outlived its parent"
    done = repro(project)

    assert done.returncode == 0, done.stderr
    assert cids(project) == cids(finished)
    assert files(project) == files(finished)
    assert not list((project / ".work" / "scratch").iterdir())


def kill_in(stage: str, victim: str, project: Path) -> None:
    """Start `dvc repro`, and kill -9 when it has been in a stage for a moment."""
    dvc = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert dvc.stdout
    for line in dvc.stdout:
        if f"Running stage '{stage}'" in line:
            break
    else:
        pytest.fail(f"{stage} never ran")
    process = stage_process(f"stages.{stage.partition('@')[0]}", project)
    time.sleep(0.1 if stage in QUICK else 0.8)
    try:
        os.kill(dvc.pid if victim == "dvc" else process, signal.SIGKILL)
    except ProcessLookupError:
        dvc.kill()
        pytest.fail(f"{stage} was over before it was killed")
    dvc.wait(timeout=10)
    dvc.stdout.close()


def outliving(project: Path) -> dict[int, str]:
    """What is left of a run that was killed.

    The kernel takes a moment to end what dies with its parent, and Python one to begin and see that
    its parent is gone; most stages take longer than that.
    """
    deadline = time.monotonic() + 3
    while (left := processes_in(project)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def stage_process(name: str, project: Path) -> int:
    """The process that runs a stage of a project, as soon as there is one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for pid, command in processes_in(project).items():
            if name in command and "python" in command.split()[0]:
                return pid
        time.sleep(0.01)
    return pytest.fail(f"{name} has no process")


def processes_in(project: Path) -> dict[int, str]:
    """The command lines of all processes whose working folder is the project, or lies in it."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            inside = (entry / "cwd").resolve().is_relative_to(project.resolve())
            if entry.name.isdigit() and inside:
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended while we looked
            continue
    return {pid: command for pid, command in found.items() if command}


def cids(project: Path) -> dict[str, str]:
    """The CID of every variant."""
    catalog = Catalog.read(project / "artifacts" / "catalog.json")
    return {entry.variant: entry.cid for entry in catalog.artifacts}


def files(project: Path) -> set[str]:
    """Every path below artifacts/."""
    top = project / "artifacts"
    return {path.relative_to(top).as_posix() for path in top.rglob("*")}
