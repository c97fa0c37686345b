"""What others do with a project: clone, pull, import, experiment, and run it where it never ran."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from test_grid import stages_that_ran

from pipeline.ipfs.unixfs import folder_cid

BOUND_S = 300
IR = "artifacts/ir/tiny-fp16"
IDENTITY = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")


def run(
    folder: Path, *command: str, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command in a folder, with its exit code left to the caller."""
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=BOUND_S
    )


def done(folder: Path, *command: str, env: dict[str, str] | None = None) -> str:
    """What a command prints that must not fail."""
    answer = run(folder, *command, env=env)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def copy(project: Path, to: Path) -> Path:
    """A copy of a project, file times kept."""
    return Path(shutil.copytree(project, to, copy_function=shutil.copy2))


def our_lines(said: str) -> list[str]:
    """The lines that are ours and not DVC's, of what a command says on standard error."""
    return [line for line in said.splitlines() if not line.startswith(("ERROR:", "WARNING:"))]


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project."""
    return copy(finished, tmp_path / "project")


@pytest.fixture(scope="module")
def shared(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished project as a commit, its outputs in a remote; not to be changed."""
    top = tmp_path_factory.mktemp("shared")
    project = copy(finished, top / "project")
    dvc = (sys.executable, "-m", "dvc")
    done(project, *dvc, "remote", "add", "-d", "shelf", str(top / "shelf"))
    done(project, "git", "add", "-A")
    done(project, "git", *IDENTITY, "commit", "-qm", "Build the tiny model")
    done(project, *dvc, "push")
    return project


# from one place to another


def test_what_dvc_gets_and_imports_has_the_cid_that_was_built(shared: Path, tmp_path: Path) -> None:
    built = json.loads((shared / "artifacts/package/tiny-fp16/artifact.json").read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    done(other, "git", "init", "-q")
    done(other, "dvc", "init", "-q")

    done(tmp_path, "dvc", "get", str(shared), IR, "-o", "got")
    done(other, "dvc", "import", str(shared), IR, "-o", "imported")

    assert str(folder_cid(tmp_path / "got")) == built["cid"]
    assert str(folder_cid(other / "imported")) == built["cid"]


def test_a_clone_that_pulled_runs_nothing_but_machine(shared: Path, tmp_path: Path) -> None:
    clone = tmp_path / "elsewhere" / "clone"
    done(tmp_path, "git", "clone", "-q", str(shared), str(clone))
    done(clone, "dvc", "pull")

    output = done(clone, "dvc", "repro")

    assert stages_that_ran(output) == {"machine"}
    assert folder_cid(clone / IR) == folder_cid(shared / IR)


# experiments


@pytest.mark.soak
def test_an_experiment_that_is_refused_is_kept_and_listed(shared: Path, tmp_path: Path) -> None:
    project = experimenter(shared, tmp_path)
    gate = "variants.tiny-int8.gate.cosine_mean"

    done(project, "dvc", "exp", "run", "catalog", "-n", "strict", "-S", f"{gate}='>= 2'")

    shown = experiments(project)["strict"]
    params = shown["params"]["params.yaml"]["data"]
    assert params["variants"]["tiny-int8"]["gate"] == {"cosine_mean": ">= 2"}
    (refused,) = catalog(project)["refusals"]
    assert refused["variant"] == "tiny-int8"
    assert "cosine_mean" in refused["reason"]


def test_params_diff_shows_keys_of_params_and_nothing_of_the_plan(
    shared: Path, tmp_path: Path
) -> None:
    project = experimenter(shared, tmp_path)
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("subset_size: 8", "subset_size: 9"))

    shown = json.loads(done(project, "dvc", "params", "diff", "--json"))

    assert shown == {
        "params.yaml": {"precisions.int8.subset_size": {"old": 8, "new": 9, "diff": 1}}
    }


@pytest.mark.soak
def test_an_experiment_with_a_key_that_was_not_written_yet(shared: Path, tmp_path: Path) -> None:
    project = experimenter(shared, tmp_path)
    key = "variants.tiny-int8.quantize.subset_size"

    done(project, "dvc", "exp", "run", "catalog", "-n", "seven", "-S", f"+{key}=7")

    assert "seven" in experiments(project)
    recipes = {
        entry["variant"]: entry["provenance"]["recipe"]["options"]
        for entry in catalog(project)["artifacts"]
    }
    assert recipes["tiny-int8"]["subset_size"] == 7
    shown = json.loads(done(project, "dvc", "params", "diff", "--json"))
    assert set(shown) == {"params.yaml"}
    assert set(shown["params.yaml"]) == {key}


def experimenter(shared: Path, folder: Path) -> Path:
    """A copy of a committed project, for somebody whom git knows by name."""
    project = copy(shared, folder / "project")
    done(project, "git", "config", "user.name", "Tester")
    done(project, "git", "config", "user.email", "tester@example.org")
    return project


def experiments(project: Path) -> dict[str, dict[str, Any]]:
    """What `dvc exp show` has of each experiment, by its name."""
    shown = json.loads(done(project, "dvc", "exp", "show", "--json"))
    kept = [experiment for commit in shown for experiment in commit.get("experiments") or []]
    return {one["name"]: one["revs"][0]["data"] for one in kept}


def catalog(project: Path) -> dict[str, list[dict[str, Any]]]:
    """The catalog of a project."""
    fields: dict[str, list[dict[str, Any]]] = json.loads(
        (project / "artifacts" / "catalog.json").read_bytes()
    )
    return fields


# where it never ran


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="wants an environment to leave out")
@pytest.mark.parametrize("python", ["another", "none"])
def test_without_its_environment_dvc_says_in_one_line_what_to_do(
    python: str, project: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    path = str(programs)
    if python == "another":
        (programs / "python").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
        path = os.pathsep.join([path, "/usr/bin", "/bin"])
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    dvc = Path(sys.executable).parent / "dvc"

    failed = run(project, str(dvc), "repro", env={**environment, "PATH": path})

    (line,) = our_lines(failed.stderr)
    assert failed.returncode != 0
    assert line.startswith("error: no pipeline in the python on PATH: activate its environment")


def test_in_a_folder_below_the_project_commands_work_or_say_where_to_run(project: Path) -> None:
    below = project / "data"

    for command in ("build", "plan"):
        refused = run(below, "ovpipe", command)
        assert refused.returncode == 1
        where = f"not here; it is in {project}: run this there"
        assert refused.stderr == f"error: params.yaml: {where}\n"
    lost = run(below, "dvc", "repro")
    found = done(below, "dvc", "repro", "../dvc.yaml:fetch@tiny")

    assert lost.stderr == f"ERROR: '{below / 'dvc.yaml'}' does not exist\n"
    assert stages_that_ran(found) == {"../dvc.yaml:machine"}
    assert not (below / "artifacts").exists()


@pytest.mark.soak
def test_a_project_whose_path_has_a_space_is_planned_and_run(
    finished: Path, tmp_path: Path
) -> None:
    project = copy(finished, tmp_path / "my project")
    shutil.rmtree(project / "artifacts" / "source")

    planned = done(project, "ovpipe", "plan")
    output = done(project, "dvc", "repro", "--force", "fetch@tiny")

    assert "fetch@tiny: artifacts/source/tiny deleted" in planned
    assert stages_that_ran(output) == {"machine", "fetch@tiny"}
    assert (project / "artifacts" / "source" / "tiny" / "model.safetensors").is_file()


@pytest.mark.soak
def test_packages_of_the_users_own_stand_in_for_none_of_ours(project: Path) -> None:
    for package in ("pipeline", "stages"):
        shutil.rmtree(project / package)
        (project / package).mkdir()
        for module in ("__init__", "machine", "fetch", "kinds"):
            (project / package / f"{module}.py").write_text("raise SystemExit('not ours')\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    output = done(project, "dvc", "repro", "--force", "fetch@tiny", env=environment)
    planned = done(project, "ovpipe", "plan", env=environment)

    assert stages_that_ran(output) == {"machine", "fetch@tiny"}
    assert planned.startswith("0 of 18 cells would run")
