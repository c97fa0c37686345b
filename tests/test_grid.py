"""What `dvc repro` runs again, by DVC's own answer.

Every edit against every cell is in test_plan.py; these hold that DVC does what the plan says.
"""

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
VARIANTS = ("tiny-fp32", "tiny-fp16", "tiny-int8")
JUDGED = {"reference@tiny"} | {cell for v in VARIANTS for cell in (f"validate@{v}", f"package@{v}")}
CASES: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda project: None, set()),
    "another subset_size": (
        replaced("params.yaml", "subset_size: 8", "subset_size: 9"),
        {"quantize@tiny-int8"} | after("tiny-int8"),
    ),
    "the int8 recipe's code": (
        replaced(
            "pipeline/precisions/int8.py",
            "subset_size=subset_size,",
            "subset_size=subset_size - 1,",
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
    "a calibration text edited": (
        replaced("data/tiny-calibration.txt", ".\n", " indeed.\n"),
        {"calibration@tiny", "quantize@tiny-int8"} | after("tiny-int8"),
    ),
    "a docstring and a comment": (
        replaced(
            "pipeline/precisions/int8.py", '"""int8: weights', '# More.\n"""int8: all weights'
        ),
        set(),
    ),
    "a device added": (
        replaced("params.yaml", "devices: [CPU]", "devices: [CPU, AUTO]"),
        {f"benchmark@tiny-{p}-AUTO" for p in ("fp32", "fp16", "int8")} | AGGREGATE,
    ),
    "a label edited": (
        replaced("data/tiny-pairs.tsv", "2.0\tThe price", "2.5\tThe price"),
        JUDGED | AGGREGATE,
    ),
}


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, file times kept."""
    return Path(shutil.copytree(finished, tmp_path / "project", copy_function=shutil.copy2))


# What takes no more than a few seconds.
_QUICK = ("nothing", "a docstring and a comment", "a variant removed")


@pytest.mark.parametrize(
    "edit", [e if e in _QUICK else pytest.param(e, marks=pytest.mark.soak) for e in CASES]
)
def test_only_what_an_edit_touches_runs_again(edit: str, project: Path) -> None:
    change, expected = CASES[edit]
    change(project)

    done = repro(project, PYTHONPATH=str(project))

    assert done.returncode == 0, done.stderr
    assert stages_that_ran(done.stdout) == {"machine"} | expected


def test_only_the_projects_own_code_counts_that_python_finds(project: Path) -> None:
    """`python -P`: what lies in the project stands in for nothing."""
    (project / "pipeline" / "precisions" / "int8.py").write_text("raise SystemExit(3)")

    done = repro(project)

    assert done.returncode == 0, done.stderr
    assert stages_that_ran(done.stdout) == {"machine"}
