"""Which bounds a variant must meet: those of its entry, and its task's where the entry is silent.

A task bounds its metrics by the bits of the precision.
"""

from collections.abc import Iterator, Mapping

from pipeline import kinds
from pipeline.errors import SpecError
from pipeline.figure import Metric
from pipeline.gate import WAYS, Bound, drops
from pipeline.spec import Model, Params, Variant


def of(params: Params, variant: Variant) -> dict[str, Bound]:
    """The bounds that a variant must meet, by metric: its own, or else the default ones.

    Of the default ones those stay beside the variant's own that no precision excuses.

    Raises:
        SpecError: no such metric, or the text is no bound on it.
    """
    model = params.model(variant.model)
    metrics = of_model(model)
    where = f"variants.{variant.name}.gate"
    own = {name: Bound.parse(name, text, metrics, where) for name, text in variant.gate.items()}
    if model.validation is None and (unmeasured := sorted(own.keys() & _of_labels(metrics))):
        raise SpecError(
            f"{where}.{unmeasured[0]}: models.{model.name}.validation: none: want labelled data"
        )
    bits = kinds.load("precision", variant.precision).BITS
    theirs = {bound.metric: bound for bound in default(metrics, bits)}
    stay = {n: bound for n, bound in theirs.items() if n in metrics and metrics[n].stays}
    return (stay | own) if own else theirs


def of_model(model: Model) -> dict[str, Metric]:
    """What is measured of a model: its task's metrics, and those that its entry names."""
    found: dict[str, Metric] = dict(kinds.load("task", model.task).METRICS)
    for name in model.metrics:
        found |= kinds.load("metric", name).METRICS
    return found


def _of_labels(metrics: Mapping[str, Metric]) -> set[str]:
    """What can be measured with labels only."""
    labelled = {name for name, metric in metrics.items() if metric.labelled}
    return labelled | drops(metrics)


def default(metrics: Mapping[str, Metric], bits: int) -> Iterator[Bound]:
    """The bounds of a task at so many bits."""
    for name, metric in metrics.items():
        if bits in metric.gate:
            yield Bound(metric=name, comparison=WAYS[metric.better], figure=metric.gate[bits])
        if bits in metric.drop_gate:
            yield Bound(metric=f"{name}_drop", comparison="<=", figure=metric.drop_gate[bits])
