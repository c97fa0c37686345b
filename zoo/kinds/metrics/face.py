"""face: whether a detector sees a face in a picture: any of its scores is above one half.

Scores are the output with one value for each place, before the sigmoid. Labels are 1 or 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Array, Tensors
from pipeline.tasks import Trial

TOOLCHAIN = ("numpy", "scipy")
METRICS = {
    "face_accuracy": Metric(
        "higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}
    ),
    "face_agreement": Metric("higher", gate={32: 0.99, 16: 0.99, 8: 0.95, 4: 0.9}),
}


def judge(trial: Trial) -> Iterator[Figure]:
    """Of pictures with a face or without."""
    expected, measured = (_seen(outputs) for outputs in (trial.expected, trial.measured))
    same = float(np.mean(expected == measured))
    yield Figure(metric="face_agreement", value=same, samples=len(expected))
    if all(item.label is not None for item in trial.items):
        truth = np.array([item.label for item in trial.items]) == 1
        right = ((seen == truth).astype(np.float64) for seen in (expected, measured))
        yield metrics.averaged("face_accuracy", *right)


def _seen(outputs: Sequence[Tensors]) -> Array:
    """In which pictures."""
    return np.array([_scores(sample).max() > 0 for sample in outputs])


def _scores(sample: Tensors) -> Array:
    return np.concatenate([value.ravel() for value in sample.values() if value.shape[-1] == 1])
