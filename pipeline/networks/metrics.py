"""Figures that compare two sets of outputs."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.evidence import Fidelity, LengthBucket, TaskScore
from pipeline.networks.tensors import Tensors, Vector

RESAMPLES = 2000
# Upper bounds of the buckets of input lengths: an empty text, a line, a paragraph, a page.
_BUCKETS = (2, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


def fidelity(
    expected: Sequence[Tensors],
    measured: Sequence[Tensors],
    expected_vectors: Sequence[Vector],
    measured_vectors: Sequence[Vector],
    lengths: Sequence[int],
) -> Fidelity:
    """How near outputs are to the expected ones, sample by sample and by length of the input.

    Raises:
        DataError: an output has another shape than expected, or is not finite.
    """
    cosines = [cosine(a, b) for a, b in zip(expected_vectors, measured_vectors, strict=True)]
    errors = [
        max_abs_error(sample[name], other[name], name)
        for sample, other in zip(expected, measured, strict=True)
        for name in sample
    ]
    return Fidelity(
        cosine_mean=float(np.mean(cosines)),
        cosine_min=float(np.min(cosines)),
        max_abs_error=float(np.max(errors)),
        samples=len(cosines),
        by_length=tuple(by_length(cosines, lengths)),
    )


def by_length(cosines: Sequence[float], lengths: Sequence[int]) -> Iterator[LengthBucket]:
    """The cosines of samples of like length, shortest first; empty buckets are left out."""
    sizes, values = np.asarray(lengths), np.asarray(cosines)
    places = np.searchsorted(_BUCKETS, sizes)
    for place in np.unique(places):
        kept = values[places == place]
        yield LengthBucket(
            up_to=int(sizes[places == place].max() if place == len(_BUCKETS) else _BUCKETS[place]),
            cosine_mean=float(kept.mean()),
            cosine_min=float(kept.min()),
            samples=len(kept),
        )


def cosine(a: Vector, b: Vector) -> float:
    """The cosine of the angle between two vectors, in [-1, 1]."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def max_abs_error(
    expected: npt.NDArray[np.generic], measured: npt.NDArray[np.generic], name: str
) -> float:
    """The largest absolute difference of two arrays of one shape.

    Raises:
        DataError: their shapes differ, or the measured one is not finite.
    """
    if expected.shape != measured.shape:
        raise DataError(f"output {name!r}: shape {measured.shape}: want {expected.shape}")
    if not np.isfinite(measured).all():
        raise DataError(f"output {name!r}: holds NaN or infinity")
    return float(np.max(np.abs(expected.astype(np.float64) - measured.astype(np.float64))))


def task_score(
    metric: str,
    score: Callable[[Vector, Vector], float],
    reference: Vector,
    variant: Vector,
    labels: Vector,
) -> TaskScore:
    """The task's metric for reference and variant, with the drop and its 95 % interval.

    The interval is the paired percentile bootstrap over the labelled items, seeded, so that the
    same predictions give the same interval. A resample in which the metric is not defined (all
    labels alike) is left out.

    Raises:
        DataError: the metric is not defined on the labelled data.
    """
    from scipy.stats import bootstrap

    def drop(truth: Vector, a: Vector, b: Vector) -> float:
        return score(a, truth) - score(b, truth)

    whole = drop(labels, reference, variant)
    if not np.isfinite(whole):
        raise DataError(f"{metric}: not defined on {len(labels)} labels: want more variety")
    resampled = bootstrap(
        (labels, reference, variant),
        drop,
        n_resamples=RESAMPLES,
        paired=True,
        vectorized=False,
        method="percentile",
        rng=0,
    ).bootstrap_distribution
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return TaskScore(
        metric=metric,
        reference=score(reference, labels),
        variant=score(variant, labels),
        drop=whole,
        drop_low=float(low),
        drop_high=float(high),
        samples=len(labels),
        resamples=RESAMPLES,
    )
