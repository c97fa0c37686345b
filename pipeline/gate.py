"""Gates: bounds on measured figures, and judging by them.

A figure is measured once per execution precision; a bound must hold at each of them.
"""

import operator
import re
from collections.abc import Mapping

from pipeline.errors import SpecError
from pipeline.evidence import Accuracy
from pipeline.record import Record
from pipeline.spec import Variant

# metric -> the comparison that makes sense for it
METRICS = {
    "cosine_mean": ">=",
    "cosine_min": ">=",
    "max_abs_error": "<=",
    "task_score": ">=",
    "task_drop": "<=",
    "tokenizer_agreement": ">=",
}
_COMPARE = {">=": operator.ge, "<=": operator.le}
_BOUND = re.compile(r"(>=|<=)\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")


class Bound(Record):
    """A metric and the figure it must reach or not exceed."""

    metric: str
    comparison: str
    figure: float

    @classmethod
    def parse(cls, metric: str, text: object, where: str) -> "Bound":
        """The bound that `metric: text` of a gate means.

        Raises:
            SpecError: no such metric, or the text is no bound on it.
        """
        if metric not in METRICS:
            raise SpecError(f"{where}: unknown metric {metric!r}: have {sorted(METRICS)}")
        match = _BOUND.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None or match[1] != METRICS[metric]:
            raise SpecError(f"{where}.{metric}: {text!r}: want '{METRICS[metric]} NUMBER'")
        return cls(metric=metric, comparison=match[1], figure=float(match[2]))

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.figure:g}"


def bounds(variant: Variant) -> dict[str, Bound]:
    """The bounds of a variant's gate, by metric.

    Raises:
        SpecError: no such metric, or the text is no bound on it.
    """
    where = f"variants.{variant.name}.gate"
    return {metric: Bound.parse(metric, text, where) for metric, text in variant.gate.items()}


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


def judge(gate: Mapping[str, Bound], accuracy: Accuracy) -> list[Verdict]:
    """Every bound of a gate held against every execution that was measured."""
    return [
        Verdict(
            bound=bound,
            execution=execution.name,
            measured=(measured := execution.figures()[bound.metric]),
            met=_COMPARE[bound.comparison](measured, bound.figure),
        )
        for execution in accuracy.executions
        for bound in gate.values()
    ]
