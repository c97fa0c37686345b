"""Figures, and what kinds of them a task has: the words in which tasks judge."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pipeline.record import Record

# What figures were taken from: items with labels, inputs without, or inputs made of a seed.
ValidatedOn = Literal["labels", "inputs", "invented"]


class Metric(NamedTuple):
    """What a figure means, and what it must be where a variant's entry says nothing.

    Args:
        better: which way.
        unit: what it is counted in; empty for a share, a correlation and the like.
        labelled: whether it takes labels; only such a figure has a drop.
        gate: the default bound, by the bits of a precision's weights; none where it is left out.
        drop_gate: the same of its drop.
        stays: whether the default bound holds beside a gate of the variant's own that does not name
            the metric: for what no precision excuses.
    """

    better: Literal["higher", "lower"]
    unit: str = ""
    labelled: bool = False
    gate: Mapping[int, float] = {}
    drop_gate: Mapping[int, float] = {}
    stays: bool = False


class Interval(Record):
    """A figure with its 95 % interval.

    By the paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13).

    Args:
        resamples: how many of them the interval was taken from; those in which the metric is not
            defined are left out.
    """

    value: float
    low: float
    high: float
    resamples: int


class Figure(Record):
    """What was measured of a variant under the name of one of its task's metrics.

    Args:
        samples: how many items it was taken from.
        part: of which inputs only, as `<=16 tokens`; None of all. A gate bounds no part.
        reference: the original's, of a metric that takes labels.
        drop: by how much the variant is worse than the original.
    """

    metric: str
    value: float
    samples: int
    part: str | None = None
    reference: float | None = None
    drop: Interval | None = None
