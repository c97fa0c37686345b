"""Figures that compare two sets of outputs, item by item."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure, Interval, Metric
from pipeline.networks.tensors import Array, Tensors, Vector

RESAMPLES = 2000
# What most tasks have; a task says which of them are bounded where a variant says nothing.
MAX_ABS_ERROR = Metric("lower", unit="of the output")
# Upper bounds of the parts by length of the input: an empty text, a line, a paragraph, a page.
_LENGTHS = (2, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


def cosines(
    expected: Sequence[Vector], measured: Sequence[Vector], lengths: Sequence[int], unit: str
) -> Iterator[Figure]:
    """Mean and least cosine over the samples, of all and by length of the input.

    Args:
        expected: a vector for each sample.
        measured: the other of each.
        lengths: how long each sample's input is; quantization loses more on some.
        unit: what lengths are counted in.
    """
    values: Vector = np.array([cosine(a, b) for a, b in zip(expected, measured, strict=True)])
    sizes = np.asarray(lengths)
    places = np.searchsorted(_LENGTHS, sizes)
    parts: list[tuple[str | None, Vector]] = [(None, values)]
    for place in np.unique(places):
        longest = sizes[places == place].max() if place == len(_LENGTHS) else _LENGTHS[place]
        parts.append((f"<={longest} {unit}", values[places == place]))
    for part, kept in parts:
        for metric, value in (("cosine_mean", np.mean(kept)), ("cosine_min", np.min(kept))):
            yield Figure(metric=metric, value=float(value), samples=len(kept), part=part)


def cosine(a: Vector, b: Vector) -> float:
    """The cosine of the angle between two vectors, in [-1, 1].

    Of two that are zero it is 1, because they are equal; of one that is, 0.
    """
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    if not lengths:
        return float(not a.any() and not b.any())
    return float(a @ b) / lengths


def max_abs_error(expected: Sequence[Tensors], measured: Sequence[Tensors]) -> Figure:
    """The largest absolute difference of any output's elements, in the output's own unit.

    Raises:
        DataError: an output is empty, not finite, not there or of another shape than expected.
    """
    errors = [
        _max_abs_error(sample[name], other.get(name), f"output {name!r} of input {number}")
        for number, (sample, other) in enumerate(zip(expected, measured, strict=True), start=1)
        for name in sample
    ]
    return Figure(metric="max_abs_error", value=max(errors), samples=len(expected))


def _max_abs_error(expected: Array, measured: Array | None, label: str) -> float:
    if not expected.size:
        raise DataError(f"{label}: the original's is empty: want an input that it answers")
    if not np.isfinite(expected).all():
        raise DataError(f"{label}: the original's holds NaN or infinity")
    if measured is None or expected.shape != measured.shape:
        shape = None if measured is None else measured.shape
        raise DataError(f"{label}: shape {shape}: want {expected.shape}")
    if not np.isfinite(measured).all():
        raise DataError(f"{label}: holds NaN or infinity")
    return float(np.max(np.abs(expected.astype(np.float64) - measured.astype(np.float64))))


def scored(
    metric: str,
    score: Callable[[Vector, Vector], float],
    reference: Vector,
    variant: Vector,
    labels: Vector,
    *,
    better: str = "higher",
    resamples: int = RESAMPLES,
) -> Figure:
    """A metric on labelled data for reference and variant, with the drop and its 95 % interval.

    The interval is the paired percentile bootstrap over the labelled items, seeded, so that the
    same predictions give the same interval. A resample in which the metric is not defined (all
    labels alike) is left out, and not counted.

    Args:
        metric: its name.
        score: of predictions and labels, the figure.
        reference: what the original predicts, of shape (items, ...): a prediction for each label,
            or what can be counted of it, as errors.
        variant: what the variant predicts.
        labels: what is right, of shape (items, ...).
        better: `higher` or `lower`: a drop is what is lost.
        resamples: how many the interval is taken from.

    Raises:
        DataError: the metric is not defined on the labelled data.
    """
    from scipy.stats import bootstrap

    sign = 1 if better == "higher" else -1

    def drop(items: Any) -> float:
        truth = labels[items]
        return sign * (score(reference[items], truth) - score(variant[items], truth))

    whole = drop(slice(None))
    if len(labels) < 2 or not np.isfinite(whole):
        raise DataError(f"{metric}: not defined on {len(labels)} labels: want more variety")
    resampled = bootstrap(
        (np.arange(len(labels)),),
        drop,
        n_resamples=resamples,
        vectorized=False,
        method="percentile",
        rng=0,
    ).bootstrap_distribution
    used = resampled[np.isfinite(resampled)]
    if not used.size:
        raise DataError(f"{metric}: not defined on any resample of {len(labels)} labels: want more")
    low, high = np.percentile(used, [2.5, 97.5])
    return Figure(
        metric=metric,
        value=score(variant, labels),
        samples=len(labels),
        reference=score(reference, labels),
        drop=Interval(value=whole, low=float(low), high=float(high), resamples=len(used)),
    )


def averaged(metric: str, reference: Vector, variant: Vector) -> Figure:
    """A metric that is the mean of what each labelled item gets, with the drop and its interval.

    Raises:
        DataError: there are too few items.
    """
    of_all = np.ones_like(variant)
    return scored(metric, lambda got, _: float(got.mean()), reference, variant, of_all)
