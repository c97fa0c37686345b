"""Image classification: a picture in, a logit for each label out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.errors import ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, ports
from pipeline.networks.tensors import Networks, Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _classes, _images, _model_info
from pipeline.tasks._classes import Resolved as Resolved
from pipeline.tasks._classes import answer as answer
from pipeline.tasks._classes import resolve as resolve
from pipeline.tasks._images import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._images import Sizes as Sizes
from pipeline.tasks._images import invent as invent
from pipeline.tasks._images import items as items
from pipeline.tasks._images import sized as sized

if TYPE_CHECKING:
    import openvino as ov

FILES = ()
RUNS_WITH = ()
JUDGED_WITH = (*_classes.JUDGED_WITH, "openvino")  # which `finish` writes with, too
METRICS = {**_classes.METRICS, "top5": Metric("higher", labelled=True)}
LOGITS = "logits"
_FIVE = 5


class Options(Record):
    """`options:` of a model.

    Args:
        labels: of each output, in their order, or how many there are; of a model whose config.json
            does not name them.
    """

    labels: Annotated[int, Field(ge=2)] | list[str] | None = None


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """pixel_values of each picture, of shape (1, channels, height, width), or raw ones."""
    _classes.check(items, options.labels)
    return _images.encode(items, source, model, options)


def finish(network: "ov.Model", model: Model, source: Path) -> "ov.Model":
    """The exported network, which tells OpenVINO's Model API its labels and how it is fed.

    Raises:
        ExportError: it has more outputs than labels, or fewer.
    """
    labels = _classes.labels(model, source)
    outputs = {ports.name(port): ports.sizes(port) for port in network.outputs}
    sizes = outputs.get(LOGITS, next(iter(outputs.values())))
    if len(sizes) > 1 and sizes[1] not in (-1, len(labels)):
        raise ExportError(
            f"models.{model.name}: {len(labels)} labels: the network has {sizes[1]} outputs"
        )
    return _model_info.tell(network, model, source, "Classification", labels)


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """logits, of shape (1, labels): the output of that name, or the only one."""
    made = _images.only(networks[ir.MODEL](inputs), LOGITS)
    return {LOGITS: made.reshape(len(made), -1)}


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures; of few labels, which are among the five best anyway, no `top5`."""
    yield from _classes.judge(trial)
    if len(trial.options.labels) > _FIVE:
        yield from _classes.top(trial, "top5", _FIVE)
