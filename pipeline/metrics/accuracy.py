"""accuracy: how often the largest value of an output stands at the place that is the label."""

from collections.abc import Iterator

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure, Metric
from pipeline.metrics import _choices
from pipeline.networks import metrics
from pipeline.tasks import Trial

TOOLCHAIN = ("numpy", "scipy")
METRICS = {
    "accuracy": Metric("higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05})
}


def judge(trial: Trial) -> Iterator[Figure]:
    """The share of labelled items that are right, of the original and of the artifact.

    Raises:
        DataError: a label is no place in the output.
    """
    labelled = [place for place, item in enumerate(trial.items) if item.label is not None]
    if not labelled:
        return
    truth = [trial.items[place].label for place in labelled]
    if not all(type(label) is int for label in truth):
        raise DataError(f"accuracy: label {truth[0]!r}: want the place in the output, from 0")
    right = [
        np.array([_choices.one(outputs[place]) for place in labelled]) == truth
        for outputs in (trial.expected, trial.measured)
    ]
    yield metrics.averaged("accuracy", *(one.astype(np.float64) for one in right))
