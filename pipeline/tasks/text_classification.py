"""Text classification: a text in, a logit for each label out.

Data with labels is a table with the columns label, text; any other file holds texts without labels,
one a line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.figure import Figure
from pipeline.networks.tensors import Tensors
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _classes, _texts
from pipeline.tasks._classes import answer as answer
from pipeline.tasks._classes import run as run
from pipeline.tasks._labelled import Resolved as Resolved
from pipeline.tasks._labelled import items as items
from pipeline.tasks._labelled import resolve as resolve
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import longest as longest

FED_TOKENS = True
RUNS_WITH = ()
METRICS = {**_classes.METRICS, "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT}


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The tokens of each text, of shape (1, tokens)."""
    _classes.check(items, options.labels)
    return _texts.encode(items, source, model, options)


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of logits and tokenizer."""
    yield from _classes.judge(trial)
    yield from _texts.tokenizer_agreement(trial)
