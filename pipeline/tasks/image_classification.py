"""Image classification: a picture in, a logit for each label out."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.networks.tensors import Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item, _classes, _images
from pipeline.tasks._classes import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._classes import METRICS as METRICS
from pipeline.tasks._classes import judge as judge
from pipeline.tasks._classes import run as run
from pipeline.tasks._images import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._images import Sizes as Sizes
from pipeline.tasks._images import invent as invent
from pipeline.tasks._images import items as items
from pipeline.tasks._images import sized as sized

FILES = ()
RUNS_WITH = ()


class Options(Record):
    """None: there is nothing to choose."""


class Resolved(Record):
    """What decides what an output means.

    Args:
        labels: of each output, in their order.
    """

    labels: tuple[str, ...]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """The labels of the model's config.json.

    Raises:
        ExportError: its outputs are no choice between labels.
    """
    return Resolved(labels=_classes.labels(model, source)), []


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """pixel_values of each picture, of shape (1, channels, height, width)."""
    _classes.check(items, options.labels)
    return _images.encode(items, source, model, options)
