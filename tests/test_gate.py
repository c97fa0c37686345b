"""Gates hold at every execution precision, and what is refused is said with every figure."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import repro

from pipeline.errors import EvidenceError
from pipeline.evidence import Accuracy, Execution, Fidelity, TaskScore
from pipeline.gate import Bound, judge
from pipeline.networks.metrics import by_length


def execution(requested: str, cosine_mean: float) -> Execution:
    """An execution with one figure that matters."""
    return Execution(
        requested=requested,
        precision="f32" if requested == "f32" else "bf16",
        fidelity=Fidelity(
            cosine_mean=cosine_mean, cosine_min=0.9, max_abs_error=0.1, samples=4, by_length=()
        ),
        task=TaskScore(
            metric="spearman", reference=0.8, variant=0.79, drop=0.01, drop_low=-0.01,
            drop_high=0.02, samples=4, resamples=10,
        ),
        tokenizer_agreement=1.0,
    )  # fmt: skip


@pytest.fixture
def accuracy() -> Accuracy:
    """0.99 at fp32 execution, 0.97 at the device's default."""
    return Accuracy(
        variant="v",
        cid="bafy",
        device="CPU",
        execution_devices=("CPU",),
        executions=(execution("f32", 0.99), execution("default", 0.97)),
    )


def met(accuracy: Accuracy, metric: str, text: str) -> list[bool]:
    """Whether a bound holds, by execution."""
    return [v.met for v in judge({metric: Bound.parse(metric, text, "gate")}, accuracy)]


def test_a_bound_is_held_against_every_execution(accuracy: Accuracy) -> None:
    assert met(accuracy, "cosine_mean", ">= 0.96") == [True, True]
    assert met(accuracy, "cosine_mean", ">= 0.98") == [True, False]
    assert met(accuracy, "task_drop", "<= 0.01") == [True, True]
    assert met(accuracy, "task_drop", "<= 0.005") == [False, False]


def test_a_bound_that_is_just_reached_is_met(accuracy: Accuracy) -> None:
    assert met(accuracy, "cosine_mean", ">= 0.97") == [True, True]


def test_cosines_are_split_by_length_and_only_lengths_that_occur_are_shown() -> None:
    buckets = list(by_length([0.5, 0.9, 0.7, 1.0, 0.1], [2, 16, 3, 129, 9000]))

    assert [(b.up_to, b.samples) for b in buckets] == [(2, 1), (16, 2), (256, 1), (9000, 1)]
    assert [b.cosine_min for b in buckets] == [0.5, 0.7, 1.0, 0.1]
    assert buckets[1].cosine_mean == pytest.approx(0.8)


def test_accuracy_is_read_as_it_was_written(accuracy: Accuracy, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.json"
    path.write_text(accuracy.json())

    assert Accuracy.read(path) == accuracy


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("cid", None, "cid: missing"), ("extra", 1, "unknown key 'extra'"), ("device", 3, "device")],
)
def test_evidence_with_other_keys_or_types_is_refused(
    key: str, value: object, words: str, accuracy: Accuracy
) -> None:
    fields = accuracy.to_dict()
    if value is None:
        del fields[key]
    else:
        fields[key] = value

    with pytest.raises(EvidenceError, match=words):
        Accuracy.from_dict(fields)


def test_a_refusal_fails_the_build_and_everything_else_is_there(
    finished: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished, tmp_path / "project", copy_function=shutil.copy2))
    params = project / "params.yaml"
    text = params.read_text().replace('{cosine_mean: ">= 0.5"}', '{cosine_mean: ">= 1.5"}')
    params.write_text(text.replace("devices: [CPU]", "devices: [GPU]"))

    done = repro(project)

    catalog = json.loads((project / "artifacts" / "catalog.json").read_text())
    assert [entry["variant"] for entry in catalog["artifacts"]] == ["tiny-fp32", "tiny-fp16"]
    assert all(entry["cid"].startswith("bafy") for entry in catalog["artifacts"])
    (refusal,) = catalog["refusals"]
    assert refusal["variant"] == "tiny-int8"
    assert [v["met"] for v in refusal["verdicts"]] == [False, False]
    assert all(v["bound"]["figure"] == 1.5 and v["measured"] <= 1 for v in refusal["verdicts"])
    assert done.returncode != 0
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert error.startswith("error: refused 1: tiny-int8: cosine_mean 0.")
    assert "want >= 1.5" in error
    assert (project / "artifacts" / "package" / "tiny-int8" / "refused.json").exists()
    assert not (project / "artifacts" / "package" / "tiny-int8" / "artifact.json").exists()
    _no_figure_for_a_device_that_is_not_there(project)


def _no_figure_for_a_device_that_is_not_there(project: Path) -> None:
    import openvino as ov

    record = json.loads((project / "artifacts" / "benchmark" / "tiny-fp32-GPU.json").read_text())
    if "GPU" in ov.Core().available_devices:
        assert record["comparison"]["variant"]["execution_devices"] == ["GPU"]
    else:
        assert record["comparison"] is None
        assert "device 'GPU' is not there" in record["unavailable"]
