"""`ovpipe build` where models are refused or fail: all else is built, and the reasons are kept."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import TOKENIZER_FILES
from test_kill import stage_process

from pipeline.ipfs.unixfs import folder_cid

SOURCES = {"tiny": "tiny-bert", "fnet": "tiny-fnet", "absent": "absent"}
BOUND_S = 300


class Built(NamedTuple):
    """A project of three models, what `ovpipe plan` said of it, and what `ovpipe build` did."""

    folder: Path
    plan: "subprocess.CompletedProcess[str]"
    build: "subprocess.CompletedProcess[str]"


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """A command in a project, with its exit code left to the caller."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BOUND_S)


def copy(project: Path, to: Path) -> Path:
    """A copy of a project, file times kept."""
    return Path(shutil.copytree(project, to, copy_function=shutil.copy2))


def ran(output: str) -> set[str]:
    """The stages that a build says it ran."""
    return set(re.findall(r"^\[ *\d+/\d+\] (\S+)$", output, re.MULTILINE))


def cells_of(model: str) -> set[str]:
    """All of a model with one variant at fp16."""
    return {
        *(f"{stage}@{model}" for stage in ("fetch", "export", "calibration", "reference")),
        *(f"{stage}@{model}-fp16" for stage in ("quantize", "validate", "package")),
        f"benchmark@{model}-fp16-CPU",
    }


def due(plan: str) -> set[str]:
    """The cells that a plan says would run."""
    return set(re.findall(r"^(\S+): (?!if )", plan, re.MULTILINE))


def listed(project: Path) -> dict[str, list[str]]:
    """What the catalog has of each kind: artifacts, refusals, failures."""
    catalog = json.loads((project / "artifacts" / "catalog.json").read_bytes())
    return {
        "artifacts": [entry["variant"] for entry in catalog["artifacts"]],
        "refusals": [entry["variant"] for entry in catalog["refusals"]],
        "failures": [entry["cell"] for entry in catalog["failures"]],
    }


def write_params(project: Path) -> None:
    """Each of the models, at fp16."""
    params = (project / "params.yaml").read_text()
    tiny = params[params.index("  tiny:") : params.index("precisions:")]
    models = [
        tiny.replace("  tiny:", f"  {name}:").replace("file:tiny-bert", f"file:{source}")
        for name, source in SOURCES.items()
    ]
    gate = '{cosine_mean: ">= 0.99"}'
    variants = [
        f"  {name}-fp16: {{model: {name}, precision: fp16, quantize: {{}}, gate: {gate}}}\n"
        for name in SOURCES
    ]
    rest = params[params.index("devices:") :]
    (project / "params.yaml").write_text(
        f"models:\n{''.join(models)}precisions:\n  fp16: {{}}\nvariants:\n{''.join(variants)}{rest}"
    )


@pytest.fixture(scope="module")
def three(finished: Path, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One model is built, of one optimum knows no export, of one there are no files."""
    import torch
    from transformers import FNetConfig, FNetModel

    project = copy(finished, tmp_path_factory.mktemp("three") / "project")
    config = FNetConfig(hidden_size=32, num_hidden_layers=1, intermediate_size=64, vocab_size=30522)
    torch.manual_seed(0)
    FNetModel(config).save_pretrained(project / "tiny-fnet")
    for name in TOKENIZER_FILES:
        shutil.copyfile(tiny_bert / name, project / "tiny-fnet" / name)
    write_params(project)
    bin_folder = Path(sys.executable).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("HF_HUB_OFFLINE", "1")
        plan = run(project, "ovpipe", "plan")
        return Built(project, plan, run(project, "ovpipe", "build"))


# what is refused, what fails, and what is built all the same


@pytest.mark.soak
def test_a_plan_names_the_cells_of_new_models_and_those_that_follow(three: Built) -> None:
    assert three.plan.returncode == 0, three.plan.stderr
    assert due(three.plan.stdout) == cells_of("fnet") | cells_of("absent") | {"catalog"}
    assert "17 of 26 cells would run, 1 may follow" in three.plan.stdout


@pytest.mark.soak
def test_what_can_be_built_is_built_and_listed(three: Built) -> None:
    table = (three.folder / "artifacts" / "report" / "table.txt").read_text()

    assert three.build.returncode == 1
    assert "Traceback" not in three.build.stderr
    assert three.build.stderr.endswith("error: refused 1, failed 1\n")
    assert listed(three.folder) == {
        "artifacts": ["tiny-fp16"],
        "refusals": ["fnet-fp16"],
        "failures": ["fetch@absent"],
    }
    assert str(folder_cid(three.folder / "artifacts" / "ir" / "tiny-fp16")) in table
    assert table in three.build.stdout


@pytest.mark.soak
def test_the_reasons_are_shown_with_logs_that_exist(three: Built) -> None:
    refused = next(line for line in three.build.stdout.splitlines() if "fnet-fp16: " in line)
    failed = next(line for line in three.build.stdout.splitlines() if "fetch@absent: " in line)
    logs = re.findall(r"^    log: (.*)$", three.build.stdout, re.MULTILINE)

    assert refused.startswith(
        "  fnet-fp16: export@fnet: file:tiny-fnet: optimum-intel: Trying to export a fnet model"
    )
    assert "OpenVINO: No conversion rule found for operations: aten._fft_c2c.default;" in refused
    assert refused.endswith(" (OpConversionFailure)")
    assert failed == "  fetch@absent: file:absent: no such folder"
    assert ".work/log/export-fnet.log" in logs
    assert all((three.folder / log).is_file() for log in logs)


@pytest.mark.soak
def test_nothing_is_written_of_what_failed(three: Built) -> None:
    artifacts = three.folder / "artifacts"
    written = {path.parent for path in artifacts.rglob("*absent*")}

    assert written == {artifacts / "machine" / "plan"}


# the next build


@pytest.mark.soak
def test_a_refusal_is_not_tried_again_and_a_failure_is(three: Built, tmp_path: Path) -> None:
    project = copy(three.folder, tmp_path / "project")
    before = (project / "artifacts" / "catalog.json").read_bytes()

    again = run(project, "ovpipe", "build")

    assert again.returncode == 1
    assert ran(again.stdout) == {"machine", "fetch@absent"}
    assert (project / "artifacts" / "catalog.json").read_bytes() == before


@pytest.mark.soak
def test_a_source_that_appears_is_built_and_nothing_else(
    three: Built, tiny_bert: Path, tmp_path: Path
) -> None:
    project = copy(three.folder, tmp_path / "project")
    shutil.copytree(tiny_bert, project / "absent")

    plan = run(project, "ovpipe", "plan")
    build = run(project, "ovpipe", "build")

    assert due(plan.stdout) == cells_of("absent") | {"catalog"}
    assert build.returncode == 1  # for what was refused before
    assert ran(build.stdout) == cells_of("absent") | {"machine", "catalog", "release"}
    assert listed(project) == {
        "artifacts": ["tiny-fp16", "absent-fp16"],
        "refusals": ["fnet-fp16"],
        "failures": [],
    }
    assert "fnet-fp16: export@fnet: file:tiny-fnet: optimum-intel: " in build.stdout


@pytest.mark.soak
def test_a_stage_that_is_killed_fails_and_the_next_build_repairs(
    finished: Path, tmp_path: Path
) -> None:
    project = copy(finished, tmp_path / "project")
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("subset_size: 8", "subset_size: 9"))

    code, table = killed_in("quantize@tiny-int8", project)
    repaired = run(project, "ovpipe", "build")

    assert code == 1
    assert "  quantize@tiny-int8: it ended without a word" in table
    assert repaired.returncode == 0, repaired.stderr
    assert listed(project)["artifacts"] == ["tiny-fp32", "tiny-fp16", "tiny-int8"]
    assert "quantize@tiny-int8" in ran(repaired.stdout)


def killed_in(address: str, project: Path) -> tuple[int, str]:
    """The exit code of a build of which a stage is killed, and what it says after that."""
    build = subprocess.Popen(
        ["ovpipe", "build"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert build.stdout
    for line in build.stdout:
        if line.endswith(f"] {address}\n"):
            break
    process = stage_process(f"stages.{address.partition('@')[0]}", project)
    time.sleep(0.5)
    os.kill(process, signal.SIGKILL)
    said, _ = build.communicate(timeout=BOUND_S)
    return build.returncode, said


# refusals are handed down


def test_without_calibration_inputs_only_what_needs_them_is_refused(
    finished: Path, tmp_path: Path
) -> None:
    project = copy(finished, tmp_path / "project")
    (project / "data" / "tiny-calibration.txt").write_text("")
    fp16, int8 = (project / "artifacts" / "ir" / f"tiny-{p}" for p in ("fp16", "int8"))
    before = folder_cid(fp16)
    shutil.rmtree(fp16)

    stage(project, "calibration", "tiny")
    for variant in ("tiny-fp16", "tiny-int8"):
        stage(project, "quantize", variant)
    follow(project, "tiny-int8")

    assert folder_cid(fp16) == before
    refused = json.loads((int8 / "refused.json").read_bytes())
    assert refused["stage"] == "calibration"
    assert "tiny-calibration.txt" in refused["refused"]
    assert handed_down(project, "tiny-int8") == [refused] * 4


@pytest.mark.soak
def test_with_fewer_texts_than_the_recipe_wants_quantization_is_refused(
    finished: Path, tmp_path: Path
) -> None:
    project = copy(finished, tmp_path / "project")
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("subset_size: 8", "subset_size: 99"))

    stage(project, "quantize", "tiny-int8")
    follow(project, "tiny-int8")
    for name in ("quantize", "validate", "package"):
        stage(project, name, "tiny-fp16")

    refused = json.loads((project / "artifacts/ir/tiny-int8/refused.json").read_bytes())
    assert refused["stage"] == "quantize"
    assert "subset_size" in refused["refused"]
    assert handed_down(project, "tiny-int8") == [refused] * 4
    assert (project / "artifacts" / "package" / "tiny-fp16" / "artifact.json").is_file()


def follow(project: Path, variant: str) -> None:
    """Run what follows when a variant was made, or refused."""
    stage(project, "validate", variant)
    stage(project, "benchmark", variant, "CPU")
    stage(project, "package", variant)


def handed_down(project: Path, variant: str) -> list[object]:
    """What each output of a variant holds that was refused, but its folder."""
    records = (
        f"ir/{variant}.provenance.json",
        f"accuracy/{variant}.json",
        f"benchmark/{variant}-CPU.json",
        f"package/{variant}/refused.json",
    )
    return [json.loads((project / "artifacts" / record).read_bytes()) for record in records]


def stage(project: Path, name: str, *arguments: str) -> None:
    """Run a stage as dvc.yaml has it."""
    done = run(project, "python", "-P", "-m", f"stages.{name}", *arguments)
    assert done.returncode == 0, done.stderr


# where nothing can be built


ELSEWHERE = {
    "precision": "variants.tiny-fp16.precision: 'fp17': have ['fp16', 'fp32', 'int8']",
    "params.yaml": "params.yaml: not there; run this in the project's root, or `ovpipe init` first",
    "dvc.yaml": "dvc.yaml: not there; run this in the project's root",
    ".dvc": "{folder}: no DVC repository: dvc init makes it one",
}


@pytest.mark.parametrize(
    ("command", "missing"), [*(("build", missing) for missing in ELSEWHERE), ("plan", "dvc.yaml")]
)
def test_what_is_no_project_is_refused_in_one_line(
    command: str, missing: str, finished: Path, tmp_path: Path
) -> None:
    for name in {"params.yaml", "dvc.yaml"} - {missing}:
        shutil.copyfile(finished / name, tmp_path / name)
    if missing != ".dvc":
        shutil.copytree(finished / ".dvc", tmp_path / ".dvc", ignore=lambda *_: ["cache", "tmp"])
    if missing == "precision":
        params = (tmp_path / "params.yaml").read_text()
        (tmp_path / "params.yaml").write_text(params.replace("precision: fp16", "precision: fp17"))

    done = run(tmp_path, "ovpipe", command)

    assert (done.returncode, done.stdout) == (1, "")
    *warnings, error = done.stderr.splitlines()  # that the model and its data are not here
    assert error == f"error: {ELSEWHERE[missing].format(folder=tmp_path)}"
    assert all(line.startswith("warning: models.tiny.") for line in warnings)
