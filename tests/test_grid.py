"""What `dvc repro` runs again, by DVC's own answer."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import repro

Edit = Callable[[Path], None]


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit of one file of a project."""

    def edit(project: Path) -> None:
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new))

    return edit


def stages_that_ran(output: str) -> set[str]:
    """The stages that DVC says it ran (not those that it took from its cache)."""
    return set(re.findall(r"^Running stage '([^']+)'", output, re.MULTILINE))


def after(variant: str, *devices: str) -> set[str]:
    """All that follows when a variant's bytes change."""
    cells = {f"benchmark@{variant}-{device}" for device in devices or ("CPU",)}
    return {f"validate@{variant}", f"package@{variant}", *cells} | AGGREGATE


AGGREGATE = {"catalog", "release"}
CASES: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda project: None, set()),
    "another subset_size": (
        replaced("params.yaml", "subset_size: 8", "subset_size: 9"),
        {"quantize@tiny-int8"} | after("tiny-int8"),
    ),
    "the int8 recipe's code": (
        replaced(
            "pipeline/precisions/int8.py",
            "subset_size=options.subset_size,",
            "subset_size=options.subset_size - 1,",
        ),
        {"quantize@tiny-int8"} | after("tiny-int8"),
    ),
    "a variant's precision changed": (
        replaced(
            "params.yaml",
            "tiny-fp16: {model: tiny, precision: fp16",
            "tiny-edge: {model: tiny, precision: int8",
        ),
        {"quantize@tiny-edge"} | after("tiny-edge"),
    ),
    "a variant added": (
        replaced(
            "params.yaml",
            "devices:",
            "  more: {model: tiny, precision: fp16, quantize: {}, "
            'gate: {cosine_mean: ">= 0.9"}}\ndevices:',
        ),
        {"quantize@more"} | after("more"),
    ),
    "a variant removed": (
        replaced(
            "params.yaml",
            "tiny-fp16: {model: tiny, precision: fp16, quantize: {}, "
            'gate: {cosine_mean: ">= 0.99"}}',
            "",
        ),
        AGGREGATE,
    ),
    "a device added": (
        replaced("params.yaml", "devices: [CPU]", "devices: [CPU, AUTO]"),
        {f"benchmark@tiny-{p}-AUTO" for p in ("fp32", "fp16", "int8")} | AGGREGATE,
    ),
    "a label edited": (
        replaced("data/tiny-pairs.tsv", "2.0\tThe price", "2.5\tThe price"),
        {"reference@tiny"}
        | {f"{s}@tiny-{p}" for s in ("validate", "package") for p in ("fp32", "fp16", "int8")}
        | AGGREGATE,
    ),
    "a validation sentence edited": (
        replaced("data/tiny-pairs.tsv", ".\n", " indeed.\n"),
        {"reference@tiny"}
        | {f"{s}@tiny-{p}" for s in ("validate", "package") for p in ("fp32", "fp16", "int8")}
        | AGGREGATE,
    ),
}


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, file times kept."""
    return Path(shutil.copytree(finished, tmp_path / "project", copy_function=shutil.copy2))


# What takes longest and is most like another case.
_LONG = ("a device added", "a validation sentence edited")


@pytest.mark.parametrize(
    "edit", [pytest.param(e, marks=pytest.mark.soak) if e in _LONG else e for e in CASES]
)
def test_only_what_an_edit_touches_runs_again(edit: str, project: Path) -> None:
    change, expected = CASES[edit]
    change(project)

    done = repro(project)

    assert done.returncode == 0, done.stderr
    assert stages_that_ran(done.stdout) == {"machine"} | expected


def test_another_nncf_touches_only_what_nncf_made(project: Path) -> None:
    toolchain = project / "artifacts" / "machine" / "toolchain.json"
    fields = json.loads(toolchain.read_text())
    fields["precision"]["int8"]["nncf"] = "0.0.1"
    toolchain.unlink()  # it is a hard link into DVC's cache
    toolchain.write_text(json.dumps(fields))

    changed = status(project)

    assert changed == {"machine", "quantize@tiny-int8"}


def status(project: Path) -> set[str]:
    """The stages that `dvc status` calls changed."""
    import subprocess

    answer = subprocess.run(
        ["dvc", "status", "--json"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return set(json.loads(answer.stdout))
