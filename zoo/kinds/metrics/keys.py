"""keys: which keys of a piano sound, against those that were struck (F1 of all recordings).

Two outputs have a value for each of 88 keys at each time: for notes that begin, and for notes that
last. A key sounds if it has both, whatever they are called. Labels are 0 or 1 for each key.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Array, Tensors, Vector
from pipeline.tasks import Trial

TOOLCHAIN = ("numpy", "scipy")
METRICS = {
    "key_f1": Metric("higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}),
    "same_keys": Metric("higher", gate={32: 0.99, 16: 0.99, 8: 0.98, 4: 0.95}),
}
KEYS, SOUNDS = 88, 0.5


def judge(trial: Trial) -> Iterator[Figure]:
    """Of recordings with their keys."""
    expected, measured = (_sounding(outputs) for outputs in (trial.expected, trial.measured))
    same = float(np.mean(expected == measured))
    yield Figure(metric="same_keys", value=same, samples=len(expected))
    if all(item.label is not None for item in trial.items):
        truth = np.array([item.label for item in trial.items])
        yield metrics.scored("key_f1", _f1, expected, measured, truth)


def _sounding(outputs: Sequence[Tensors]) -> Array:
    """Whether each key sounds at some time, of shape (recordings, 88)."""
    return np.array([_least(sample) > SOUNDS for sample in outputs])


def _least(sample: Tensors) -> Vector:
    """Of each key, the least of what the outputs have at most."""
    most = [value[0].max(axis=0) for value in sample.values() if value.shape[-1] == KEYS]
    return np.asarray(np.min(most, axis=0), np.float64)


def _f1(sounding: Vector, truth: Vector) -> float:
    struck = truth.astype(bool)
    return float(2 * (sounding & struck).sum() / (sounding.sum() + struck.sum()))
