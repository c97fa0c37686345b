"""Gates: bounds on measured figures, and judging by them.

A figure is measured once per execution precision; a bound must hold at each of them. It is on a
metric of the variant's task, on its drop (`spearman_drop`), or on the upper end of the drop's
interval (`spearman_drop_high`).
"""

import math
import operator
import re
from collections.abc import Collection, Iterator, Mapping

from pipeline.errors import GateError, SpecError
from pipeline.evidence import Accuracy, Execution
from pipeline.figure import Metric
from pipeline.record import Record

WAYS = {"higher": ">=", "lower": "<="}
_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
_DROPS = ("_drop", "_drop_high")
_BOUND = re.compile(
    r"(?P<comparison>[<>]=?|)\s*(?P<figure>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII
)


class Bound(Record):
    """A metric and the figure it must reach or not exceed."""

    metric: str
    comparison: str
    figure: float

    @classmethod
    def parse(
        cls, metric: str, written: object, metrics: Mapping[str, Metric], where: str
    ) -> "Bound":
        """The bound that `metric: written` of a gate means; a bare figure is just good enough.

        Raises:
            SpecError: no such metric, or what is written is no bound on it.
        """
        ways = comparisons(metrics)
        if metric not in ways:
            raise SpecError(f"{where}: unknown metric {metric!r}: have {sorted(ways)}")
        right = ways[metric]
        is_text = isinstance(written, str | int | float) and not isinstance(written, bool)
        match = _BOUND.fullmatch(str(written).strip()) if is_text else None
        if match is None or (match["comparison"] or right)[0] != right[0]:
            raise SpecError(f"{where}.{metric}: {written!r}: want '{right} NUMBER', or NUMBER")
        figure = float(match["figure"])
        if math.isinf(figure):
            raise SpecError(f"{where}.{metric}: {written!r}: want a NUMBER that is not so large")
        return cls(metric=metric, comparison=match["comparison"] or right, figure=figure)

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.figure:g}"


def comparisons(metrics: Mapping[str, Metric]) -> dict[str, str]:
    """What a gate may bound of a task, and the comparison that makes sense for it."""
    ways = {name: WAYS[metric.better] for name, metric in metrics.items()}
    return ways | dict.fromkeys(drops(metrics), "<=")


def drops(metrics: Mapping[str, Metric]) -> set[str]:
    """The names of drops."""
    return {f"{n}{end}" for n, metric in metrics.items() if metric.labelled for end in _DROPS}


class Verdict(Record):
    """One bound held against one measured figure."""

    bound: Bound
    execution: str
    measured: float
    met: bool

    def __str__(self) -> str:
        bound = self.bound
        figures = f"{bound.metric} {self.measured:.6g} at {self.execution}"
        return f"{figures}, want {bound.comparison} {bound.figure:g}"


def judge(gate: Mapping[str, Bound], own: Collection[str], accuracy: Accuracy) -> list[Verdict]:
    """Every bound of a gate held against every execution that was measured.

    Args:
        gate: the bounds by metric.
        own: the metrics that the variant's entry itself bounds; of the default ones, those that
            take labels are left out where there are none.
        accuracy: what was measured.

    Raises:
        GateError: what is bounded was not measured.
    """
    return [
        verdict
        for execution in accuracy.executions
        for verdict in _verdicts(gate, own, execution, labelled=accuracy.validated_on == "labels")
    ]


def _verdicts(
    gate: Mapping[str, Bound], own: Collection[str], execution: Execution, *, labelled: bool
) -> Iterator[Verdict]:
    figures = execution.bounded()
    for metric, bound in gate.items():
        if metric in figures:
            measured = figures[metric]
            met = _COMPARE[bound.comparison](measured, bound.figure)
            yield Verdict(bound=bound, execution=execution.name, measured=measured, met=met)
        elif labelled or metric in own:
            raise GateError(f"{metric}: bounded and not measured: want validation data with labels")
