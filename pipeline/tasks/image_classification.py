"""Image classification: a picture in, a logit for each label out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.figure import Figure, Metric
from pipeline.networks.tensors import Tensors
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _classes, _images, _model_info
from pipeline.tasks._classes import Options as Options
from pipeline.tasks._classes import Resolved as Resolved
from pipeline.tasks._classes import answer as answer
from pipeline.tasks._classes import resolve as resolve
from pipeline.tasks._classes import run as run
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
_FIVE = 5


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """pixel_values of each picture, of shape (1, channels, height, width)."""
    _classes.check(items, options.labels)
    return _images.encode(items, source, model, options)


def finish(network: "ov.Model", model: Model, source: Path) -> "ov.Model":
    """The exported network, which tells OpenVINO's Model API its labels and how it is fed."""
    return _model_info.tell(network, source, "Classification", _classes.labels(model, source))


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures; of few labels, which are among the five best anyway, no `top5`."""
    yield from _classes.judge(trial)
    if len(trial.options.labels) > _FIVE:
        yield from _classes.top(trial, "top5", _FIVE)
