"""found_lines: how well a map of text covers the lines of a page, and nothing else.

The first output is of shape (1, 1, height, width), from 0 to 1. Labels are boxes: left, top, right,
bottom. The harmonic mean of two shares: of the columns of the boxes, those in which text was found;
of the pixels that were found, those in a box. (DB maps only the core of a line, Liao et al. 2020.)
"""

from collections.abc import Iterator

import numpy as np

from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Array, Tensors
from pipeline.tasks import Trial

TOOLCHAIN = ("numpy", "scipy")
METRICS = {
    "found_lines": Metric(
        "higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}
    ),
    "same_pixels": Metric("higher", gate={32: 0.99, 16: 0.99, 8: 0.97, 4: 0.9}),
}
THRESHOLD = 0.3  # rapidocr's own


def judge(trial: Trial) -> Iterator[Figure]:
    """Of pages with the boxes of their lines."""
    expected, measured = (
        [_found(o) for o in outputs] for outputs in (trial.expected, trial.measured)
    )
    alike = np.mean([np.mean(a == b) for a, b in zip(expected, measured, strict=True)])
    yield Figure(metric="same_pixels", value=float(alike), samples=len(expected))
    boxes = [item.label for item in trial.items]
    if None not in boxes:
        scores = (
            np.array([_score(page, its) for page, its in zip(pages, boxes, strict=True)])
            for pages in (expected, measured)
        )
        yield metrics.averaged("found_lines", *scores)


def _found(sample: Tensors) -> Array:
    """Where there is text, of shape (height, width)."""
    return np.asarray(sample[min(sample)][0, 0] > THRESHOLD)


def _score(page: Array, boxes: list[list[int]]) -> float:
    inside = np.zeros_like(page)
    covered = []
    for left, top, right, bottom in boxes:
        inside[top:bottom, left:right] = True
        covered.append(page[top:bottom, left:right].any(axis=0))
    recall = float(np.concatenate(covered).mean())
    precision = float((page & inside).sum() / max(page.sum(), 1))
    return 2 * recall * precision / max(recall + precision, 1e-9)
