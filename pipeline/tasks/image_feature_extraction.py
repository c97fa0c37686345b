"""Vectors of pictures: `last_hidden_state`, of each place of a picture, which the consumer pools.

Judged by one vector of each picture, and with labels by how often the nearest other picture has the
same label.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Array, Networks, Tensors, Vector
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Outcome, Trial, _images
from pipeline.tasks._classes import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._images import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._images import Sizes as Sizes
from pipeline.tasks._images import encode as encode
from pipeline.tasks._images import invent as invent
from pipeline.tasks._images import items as items
from pipeline.tasks._images import sized as sized

FILES = ()
RUNS_WITH = ()
METRICS = {
    "cosine_mean": Metric("higher", gate={32: 0.999, 16: 0.999, 8: 0.98, 4: 0.9}),
    "cosine_min": Metric("higher"),
    "max_abs_error": metrics.MAX_ABS_ERROR,
    "knn_accuracy": Metric(
        "higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}
    ),
}
_HIDDEN = "last_hidden_state"
# Kinds whose first token is no class token; nor has a map of a convolutional network any.
_NO_CLASS = ("hiera", "siglip_vision_model", "swin", "swinv2")


class Options(Record):
    """None: there is nothing to choose."""


class Resolved(Record):
    """What makes one vector of a picture.

    Args:
        pooling: the first vector (`cls`), or the `mean` of all; of a map always the mean.
    """

    pooling: Literal["cls", "mean"]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """The pooling that the model's architecture is made for; without a config.json the mean."""
    config = source / "config.json"
    kind = read_json(config, dict, ExportError).get("model_type")
    is_mean = kind in _NO_CLASS or not config.exists()
    return Resolved(pooling="mean" if is_mean else "cls"), []


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """last_hidden_state, of shape (1, tokens, size), or (1, size, height, width) of a map.

    Of a network with one output it is that, whatever it is called, and may be of shape (1, size).
    """
    return {_HIDDEN: _images.only(networks[ir.MODEL](inputs), _HIDDEN)}


def answer(outcome: Outcome) -> Array:
    """The vector of a picture, of shape (size,)."""
    return _vector(outcome.outputs, outcome.options).astype(np.float32)


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures of the vectors."""
    yield metrics.max_abs_error(trial.expected, trial.measured)
    expected, measured = (
        [_vector(output, trial.options) for output in outputs]
        for outputs in (trial.expected, trial.measured)
    )
    yield from metrics.cosines(expected, measured, [1] * len(expected), "picture")
    labels = [item.label for item in trial.items if item.label is not None]
    if labels:
        right = [_nearest_are_alike(vectors, labels) for vectors in (expected, measured)]
        yield metrics.averaged("knn_accuracy", right[0], right[1])


def _vector(outputs: Tensors, options: Resolved) -> Vector:
    """The vector of a picture, of shape (size,)."""
    hidden: Vector = outputs[_HIDDEN][0].astype(np.float64)
    if hidden.ndim == 1:
        return hidden
    if hidden.ndim == 2 and options.pooling == "cls":
        return np.asarray(hidden[0])
    return np.asarray(hidden.mean(axis=0 if hidden.ndim == 2 else (1, 2)))


def _nearest_are_alike(vectors: Sequence[Vector], labels: Sequence[str]) -> Vector:
    """1 for each picture whose nearest other, by cosine, has its label, else 0."""
    rows = np.stack(vectors)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    near = rows @ rows.T
    np.fill_diagonal(near, -np.inf)
    pairs = zip(near.argmax(axis=1), labels, strict=True)
    return np.array([labels[place] == label for place, label in pairs], np.float64)
