"""Classes: what tasks share whose networks give one logit for each label.

Judged by the label that gets the largest, and by the probabilities of all.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import description, ir, metrics
from pipeline.networks.tensors import Networks, Tensors, Vector
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial

JUDGED_WITH = ("numpy", "scipy")
FIDELITY = {
    "agreement": Metric("higher", gate={32: 0.97, 16: 0.97, 8: 0.95, 4: 0.9}),
    "kl_mean": Metric("lower", unit="nats", gate={32: 0.005, 16: 0.005, 8: 0.02, 4: 0.05}),
    "max_abs_error": metrics.MAX_ABS_ERROR,
}
LABEL_AGREEMENT = Metric("higher", gate=dict.fromkeys((32, 16, 8, 4), 1.0), stays=True)
ON_LABELS = Metric("higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05})
METRICS = {**FIDELITY, "label_agreement": LABEL_AGREEMENT, "accuracy": ON_LABELS}
_CONFIG = "config.json"


class Options(Record):
    """None: there is nothing to choose."""


class Resolved(Record):
    """What decides what an output means.

    Args:
        labels: of each output, in their order; of object-detection there may be one output more, of
            no object.
    """

    labels: tuple[str, ...]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """The labels of the model's config.json.

    Raises:
        ExportError: its outputs are no choice between labels.
    """
    return Resolved(labels=labels(model, source)), []


def labels(model: Model, source: Path) -> tuple[str, ...]:
    """The label of each output, in their order.

    Raises:
        ExportError: the model's outputs are no choice between labels.
    """
    if not (source / _CONFIG).exists():
        return _given(model)
    if model.options.get("labels") is not None:
        raise ExportError(f"models.{model.name}.options.labels: {_CONFIG} names them: want none")
    config = read_json(source / _CONFIG, dict, ExportError)
    known = named(config)
    if config.get("problem_type") not in (None, "single_label_classification") or len(known) < 2:
        raise ExportError(
            f"models.{model.name}.task: {model.task!r}: config.json has {len(known)} labels and "
            f"problem_type {config.get('problem_type')!r}: want one label of several"
        )
    return known


def _given(model: Model) -> tuple[str, ...]:
    """The labels of an entry, of a model that has no configuration to name them."""
    given = model.options.get("labels")
    known = [f"LABEL_{place}" for place in range(given)] if isinstance(given, int) else given or []
    if not isinstance(known, list) or len(known) < 2:
        raise ExportError(
            f"models.{model.name}.options.labels: {given!r}: there is no {_CONFIG}: want the label "
            "of each output, or how many there are"
        )
    return tuple(map(str, known))


def check(items: Sequence[Item], known: Sequence[str]) -> None:
    """The labels of a data set are the model's.

    Raises:
        DataError: naming the first that is not.
    """
    for item in items:
        if item.label is not None and item.label not in known:
            raise DataError(f"label {item.label!r}: the model's are {list(known)[:20]}")


def run(
    networks: Networks, inputs: Tensors, options: Any, follow: Tensors | None = None
) -> Tensors:
    """logits, of shape (1, labels)."""
    return {"logits": networks[ir.MODEL](inputs)["logits"]}


def answer(outcome: Outcome) -> list[dict[str, Any]]:
    """All labels with their probabilities, the likeliest first."""
    return scored(outcome.options.labels, probabilities(outcome.outputs["logits"][0]))


def probabilities(logits: Any) -> Vector:
    """The softmax of logits of shape (..., labels)."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    shares: Vector = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def scored(names: Sequence[str], scores: Vector) -> list[dict[str, Any]]:
    """Names with their scores, the best first."""
    order = np.argsort(-scores, kind="stable")
    return [{"label": names[place], "score": float(scores[place])} for place in order]


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures; `agreement` is of labels by name, as a consumer of the artifact reads them."""
    names: Sequence[str] = trial.options.labels
    theirs = labels_of(trial.folder, names)
    expected, measured = rows(trial.expected), rows(trial.measured)
    yield metrics.max_abs_error(trial.expected, trial.measured)
    yield from fidelity(expected, measured, names, theirs)
    yield label_agreement(trial)
    yield from top(trial, "accuracy", 1)


def label_agreement(trial: Trial) -> Figure:
    """The share of outputs that the artifact calls as the source does."""
    names: Sequence[str] = trial.options.labels
    alike = [a == b for a, b in zip(names, labels_of(trial.folder, names), strict=True)]
    return Figure(metric="label_agreement", value=float(np.mean(alike)), samples=len(alike))


def top(trial: Trial, metric: str, count: int) -> Iterator[Figure]:
    """The share of items whose label is among the `count` best, by name, if they have labels."""
    names: Sequence[str] = trial.options.labels
    theirs = labels_of(trial.folder, names)
    truth = [item.label for item in trial.items if item.label is not None]
    if truth:
        reference = within(rows(trial.expected), names, truth, count)
        variant = within(rows(trial.measured), theirs, truth, count)
        yield metrics.averaged(metric, reference, variant)


def within(logits: Vector, names: Sequence[str], truth: Sequence[str], count: int) -> Vector:
    """1 for each item whose label is among the names of its `count` largest logits, else 0."""
    best = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    right = [
        label in {names[place] for place in row} for label, row in zip(truth, best, strict=True)
    ]
    return np.array(right, np.float64)


def rows(outputs: Sequence[Tensors], name: str = "logits") -> Vector:
    """The logits of all choices that were made, of shape (choices, labels)."""
    found = [output[name].reshape(-1, output[name].shape[-1]) for output in outputs]
    return np.concatenate(found).astype(np.float64)


def fidelity(
    expected: Vector, measured: Vector, names: Sequence[str] = (), theirs: Sequence[str] = ()
) -> Iterator[Figure]:
    """How often the label with the largest logit is the original's, and how far all are apart.

    Args:
        expected: the original's logits, of shape (choices, labels).
        measured: the artifact's.
        names: what the original's outputs are called; without names the place counts.
        theirs: what the artifact's are called.
    """
    chosen, given = expected.argmax(axis=1), measured.argmax(axis=1)
    same = np.array(names)[chosen] == np.array(theirs)[given] if names else chosen == given
    yield Figure(metric="agreement", value=float(same.mean()), samples=len(same))
    apart = divergence(expected, measured)
    yield Figure(metric="kl_mean", value=float(apart.mean()), samples=len(apart))


def divergence(expected: Vector, measured: Vector) -> Vector:
    """Kullback-Leibler divergence of each row's probabilities from the original's, in nats."""
    from scipy.special import log_softmax

    wanted, found = log_softmax(expected, axis=1), log_softmax(measured, axis=1)
    apart: Vector = np.sum(np.exp(wanted) * (wanted - found), axis=1)
    return np.maximum(apart, 0)


def labels_of(folder: Path, names: Sequence[str]) -> list[str]:
    """What an artifact calls each output; where its files differ, both.

    Raises:
        DataError: it names more outputs, or fewer.
    """
    described = list(map(str, description.read(folder).options.get("labels", ())))
    is_there = (folder / _CONFIG).exists()
    configured = (
        list(named(read_json(folder / _CONFIG, dict, DataError))) if is_there else described
    )
    if not len(described) == len(configured) == len(names):
        raise DataError(
            f"{description.FILE} has {len(described)} labels, {_CONFIG} {len(configured)}: "
            f"want {len(names)}"
        )
    both = zip(described, configured, strict=True)
    return [a if a == b else f"{a} or {b}" for a, b in both]


def named(config: dict[str, Any]) -> tuple[str, ...]:
    """The labels of a config.json in the order of its outputs, as transformers reads them."""
    known = config.get("id2label")
    if not isinstance(known, dict):
        count = config.get("num_labels", 2)
        return tuple(f"LABEL_{place}" for place in range(count if isinstance(count, int) else 0))
    if sorted(known) != sorted(map(str, range(len(known)))):
        raise ExportError(f"{_CONFIG}: id2label: {sorted(known)[:20]}: want 0, 1 and so on")
    return tuple(str(known[str(place)]) for place in range(len(known)))
