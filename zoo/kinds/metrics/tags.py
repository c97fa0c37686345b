"""tags: whether each token gets the right tag, and whether it gets the original's.

The first output has a value for each tag of each token. Labels are the number of each token's tag,
or -1 where nobody said; what attention_mask leaves out is not looked at.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.tasks import Trial

TOOLCHAIN = ("numpy", "scipy")
METRICS = {
    "tag_accuracy": Metric(
        "higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}
    ),
    "tag_agreement": Metric("higher", gate={32: 0.99, 16: 0.99, 8: 0.97, 4: 0.9}),
}


def judge(trial: Trial) -> Iterator[Figure]:
    """Of texts whose tokens have tags."""
    real = np.concatenate([inputs["attention_mask"][0] for inputs in trial.inputs]) == 1
    expected, measured = (
        np.concatenate([sample[min(sample)][0].argmax(axis=-1) for sample in outputs])
        for outputs in (trial.expected, trial.measured)
    )
    same = (expected == measured)[real]
    yield Figure(metric="tag_agreement", value=float(same.mean()), samples=len(same))
    if all(item.label is not None for item in trial.items):
        truth = np.concatenate([np.asarray(item.label) for item in trial.items])
        told = truth >= 0
        right = ((tags == truth)[told].astype(np.float64) for tags in (expected, measured))
        yield metrics.averaged("tag_accuracy", *right)
