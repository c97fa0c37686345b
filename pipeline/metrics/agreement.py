"""agreement: how often an artifact chooses what the original chooses, by the largest value."""

from collections.abc import Iterator

import numpy as np

from pipeline.figure import Figure, Metric
from pipeline.metrics import _choices
from pipeline.tasks import Trial

TOOLCHAIN = ("numpy",)
METRICS = {"agreement": Metric("higher", gate={32: 0.97, 16: 0.97, 8: 0.95, 4: 0.9})}


def judge(trial: Trial) -> Iterator[Figure]:
    """The share of choices along the last axis of the first output that are the same."""
    wanted, found = _choices.of(trial.expected), _choices.of(trial.measured)
    alike = [np.mean(a == b) for a, b in zip(wanted, found, strict=True)]
    yield Figure(metric="agreement", value=float(np.mean(alike)), samples=len(alike))
