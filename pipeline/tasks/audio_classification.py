"""Audio classification: a sound in, a logit for each label out."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.networks.tensors import Tensors
from pipeline.spec import Model
from pipeline.tasks import Item, _audio, _classes, _folders
from pipeline.tasks._audio import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._audio import Sizes as Sizes
from pipeline.tasks._audio import invent as invent
from pipeline.tasks._audio import sized as sized
from pipeline.tasks._classes import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._classes import METRICS as METRICS
from pipeline.tasks._classes import Options as Options
from pipeline.tasks._classes import Resolved as Resolved
from pipeline.tasks._classes import answer as answer
from pipeline.tasks._classes import judge as judge
from pipeline.tasks._classes import resolve as resolve
from pipeline.tasks._classes import run as run

FILES = ()
RUNS_WITH = ()


def items(path: Path) -> list[Item]:
    """The sounds below a folder, in the order of their paths.

    Raises:
        DataError: there are none, or some with a label and some without.
    """
    return _folders.labelled(path, _audio.ENDINGS, "sounds")


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """What the feature extractor makes of each sound: waves or spectrograms, of shape (1, ...)."""
    _classes.check(items, options.labels)
    return _audio.encode(items, source, model, options)
