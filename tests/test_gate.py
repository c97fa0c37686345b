"""Gates hold at every execution precision, and what is refused is said with every figure."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import ROOT, repro

from pipeline import bounds, check
from pipeline.errors import DataError, EvidenceError, GateError, SpecError
from pipeline.evidence import Accuracy, Execution
from pipeline.figure import Figure, Interval, Metric
from pipeline.gate import Bound, judge
from pipeline.networks import metrics
from pipeline.spec import Params, Variant

METRICS = {
    "cosine_mean": Metric("higher", gate={32: 0.99, 8: 0.9}),
    "max_abs_error": Metric("lower"),
    "spearman": Metric("higher", labelled=True, drop_gate={8: 0.02}),
}


def execution(requested: str, cosine_mean: float, *, labels: bool = True) -> Execution:
    """An execution with one figure that matters."""
    drop = Interval(value=0.01, low=-0.01, high=0.03, resamples=10) if labels else None
    figures = [
        Figure(metric="cosine_mean", value=cosine_mean, samples=4),
        Figure(metric="cosine_mean", value=0.1, samples=1, part="<=2 tokens"),
        Figure(metric="spearman", value=0.79, samples=4, reference=0.8, drop=drop),
    ]
    return Execution(
        requested=requested,
        precision="f32" if requested == "f32" else "bf16",
        figures=tuple(figures[: 3 if labels else 2]),
    )


@pytest.fixture
def accuracy() -> Accuracy:
    """0.99 at fp32 execution, 0.97 at the device's default."""
    return Accuracy(
        variant="v",
        cid="bafy",
        device="CPU",
        execution_devices=("CPU",),
        validated_on="labels",
        executions=(execution("f32", 0.99), execution("default", 0.97)),
    )


def met(accuracy: Accuracy, metric: str, text: str) -> list[bool]:
    """Whether a bound holds, by execution."""
    bound = Bound.parse(metric, text, METRICS, "gate")
    return [v.met for v in judge({metric: bound}, {metric}, accuracy)]


def test_a_bound_is_held_against_every_execution(accuracy: Accuracy) -> None:
    assert met(accuracy, "cosine_mean", ">= 0.96") == [True, True]
    assert met(accuracy, "cosine_mean", ">= 0.98") == [True, False]
    assert met(accuracy, "spearman_drop", "<= 0.01") == [True, True]
    assert met(accuracy, "spearman_drop", "<= 0.005") == [False, False]


def test_a_bound_that_is_just_reached_is_met(accuracy: Accuracy) -> None:
    assert met(accuracy, "cosine_mean", ">= 0.97") == [True, True]


def test_a_bound_may_be_on_the_upper_end_of_the_drops_interval(accuracy: Accuracy) -> None:
    assert met(accuracy, "spearman_drop_high", "<= 0.03") == [True, True]
    assert met(accuracy, "spearman_drop_high", "<= 0.02") == [False, False]


@pytest.mark.parametrize(
    ("metric", "written", "bound"),
    [
        ("cosine_mean", ">= 0.98", "cosine_mean >= 0.98"),
        ("cosine_mean", ">=0.98", "cosine_mean >= 0.98"),
        ("cosine_mean", 0.98, "cosine_mean >= 0.98"),
        ("cosine_mean", "0.98", "cosine_mean >= 0.98"),
        ("cosine_mean", 1, "cosine_mean >= 1"),
        ("cosine_mean", "> 0.98", "cosine_mean > 0.98"),
        ("cosine_mean", ">= .98", "cosine_mean >= 0.98"),
        ("spearman", -0.5, "spearman >= -0.5"),
        ("spearman_drop", 0.02, "spearman_drop <= 0.02"),
        ("spearman_drop", "< 0.02", "spearman_drop < 0.02"),
        ("spearman_drop", "<=-1e-3", "spearman_drop <= -0.001"),
        ("max_abs_error", 1e-3, "max_abs_error <= 0.001"),
    ],
)
def test_a_bound_is_a_figure_or_a_figure_with_its_direction(
    metric: str, written: object, bound: str
) -> None:
    assert str(Bound.parse(metric, written, METRICS, "gate")) == bound


@pytest.mark.parametrize(
    ("metric", "written"),
    [
        ("cosine_mean", "<= 0.98"),
        ("cosine_mean", "< 0.98"),
        ("spearman_drop", "> 0.02"),
        *(("cosine_mean", w) for w in
          ("", ">=", "0,98", "98 %", "= 0.98", "== 0.98", ">> 1", "1 2", "--1", "١", "1e999")),
        *(("cosine_mean", w) for w in (None, True, [], {}, float("nan"), float("inf"))),
    ],
)  # fmt: skip
def test_what_is_no_bound_is_told_what_one_is(metric: str, written: object) -> None:
    with pytest.raises(SpecError, match=rf"^gate\.{metric}: .*: want .*NUMBER"):
        Bound.parse(metric, written, METRICS, "gate")


def test_more_than_a_figure_is_not_met_by_the_figure(accuracy: Accuracy) -> None:
    assert met(accuracy, "cosine_mean", "> 0.97") == [True, False]
    assert met(accuracy, "spearman_drop", "< 0.01") == [False, False]


def test_without_labels_a_default_bound_on_them_is_left_out_and_ones_own_is_refused(
    accuracy: Accuracy,
) -> None:
    executions = tuple(execution(name, 0.99, labels=False) for name in ("f32", "default"))
    unlabelled = accuracy.model_copy(update={"validated_on": "inputs", "executions": executions})
    given = {m: Bound.parse(m, t, METRICS, "gate")
              for m, t in (("cosine_mean", ">= 0.9"), ("spearman_drop", "<= 0.1"))}  # fmt: skip

    judged = judge(given, (), unlabelled)

    assert [verdict.bound.metric for verdict in judged] == ["cosine_mean", "cosine_mean"]
    with pytest.raises(GateError, match="spearman_drop: bounded and not measured"):
        judge(given, {"spearman_drop"}, unlabelled)


def variant(**gate: str) -> tuple[Params, Variant]:
    """A variant of the default params.yaml with this gate."""
    params = check.load(ROOT / "params.yaml")
    return params, params.variant("minilm-int8").model_copy(update={"gate": gate})


def test_a_variant_that_says_nothing_meets_the_tasks_own_bounds_at_its_bits() -> None:
    must = {name: str(bound) for name, bound in bounds.of(*variant()).items()}

    assert must == {
        "cosine_mean": "cosine_mean >= 0.98",
        "tokenizer_agreement": "tokenizer_agreement >= 0.99",
        "spearman_drop": "spearman_drop <= 0.02",
    }


def test_a_gate_of_ones_own_takes_the_place_of_the_default_but_for_the_tokenizer() -> None:
    own = bounds.of(*variant(cosine_min=">= 0.5"))
    loosened = bounds.of(*variant(tokenizer_agreement=">= 0.1"))

    assert sorted(own) == ["cosine_min", "tokenizer_agreement"]
    assert {name: bound.figure for name, bound in loosened.items()} == {"tokenizer_agreement": 0.1}


def test_cosines_are_split_by_length_and_only_lengths_that_occur_are_shown() -> None:
    one = np.array([1.0, 0.0])
    others = [np.array([c, (1 - c * c) ** 0.5]) for c in (0.5, 0.9, 0.7, 1.0, 0.1)]

    figures = list(metrics.cosines([one] * 5, others, [2, 16, 3, 129, 9000], "tokens"))

    least = {f.part: (f.samples, f.value) for f in figures if f.metric == "cosine_min"}
    assert least == {
        None: (5, pytest.approx(0.1)),
        "<=2 tokens": (1, pytest.approx(0.5)),
        "<=16 tokens": (2, pytest.approx(0.7)),
        "<=256 tokens": (1, pytest.approx(1.0)),
        "<=9000 tokens": (1, pytest.approx(0.1)),
    }


@pytest.mark.parametrize(("a", "b", "cosine"), [((0, 0), (0, 0), 1), ((0, 0), (0, 2), 0)])
def test_a_vector_of_zeros_is_like_another_and_like_nothing_else(
    a: tuple[int, int], b: tuple[int, int], cosine: int
) -> None:
    assert metrics.cosine(np.array(a, float), np.array(b, float)) == cosine


@pytest.mark.parametrize(
    ("expected", "measured", "words"),
    [
        (np.zeros((1, 0)), np.zeros((1, 0)), "output 'y' of input 1: the original's is empty"),
        (np.array([[np.nan]]), np.zeros((1, 1)), "of input 1: the original's holds NaN"),
        (np.zeros((1, 2)), np.zeros((2, 2)), r"shape \(2, 2\): want \(1, 2\)"),
        (np.zeros((1, 2)), np.array([[0, np.inf]]), "of input 1: holds NaN or infinity"),
    ],
)
def test_outputs_that_cannot_be_measured_are_refused_by_name(
    expected: npt.NDArray[np.float64], measured: npt.NDArray[np.float64], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        metrics.max_abs_error([{"y": expected}], [{"y": measured}])


def test_resamples_are_those_in_which_the_metric_is_defined() -> None:
    def needs_both(predicted: Any, truth: Any) -> float:
        return float((predicted == truth).mean()) if len(set(truth)) == 2 else float("nan")

    labels = np.array([0.0, 0.0, 1.0])

    figure = metrics.scored("own", needs_both, labels, labels, labels)

    assert figure.drop is not None
    assert 0 < figure.drop.resamples < metrics.RESAMPLES
    with pytest.raises(DataError, match="own: not defined on 2 labels"):
        metrics.scored("own", needs_both, labels[:2], labels[:2], labels[:2])


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
    cosines = [v for v in refusal["verdicts"] if v["bound"]["metric"] == "cosine_mean"]
    assert [v["met"] for v in cosines] == [False, False]
    assert all(v["bound"]["figure"] == 1.5 and v["measured"] <= 1 for v in cosines)
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
        assert record["measurements"][0]["variant"]["execution_devices"] == ["GPU"]
    else:
        assert record["measurements"] == []
        assert "device 'GPU' is not there" in record["unavailable"]
