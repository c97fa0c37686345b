"""Text classification: a text in, a logit for each label out.

Data with labels is a table with the columns label, text; any other file holds texts without labels,
one a line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.errors import ExportError
from pipeline.figure import Figure
from pipeline.networks.tensors import Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _classes, _tables, _texts, _transformer
from pipeline.tasks._classes import run as run
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import longest as longest

RUNS_WITH = ()
METRICS = {**_classes.METRICS, "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT}
_COLUMNS: Mapping[str, _tables.Kind] = {"label": str, "text": str}


class Options(Record):
    """`options:` of a model; what is left out is what the repository says.

    Args:
        max_length: tokens after which a text is cut.
    """

    max_length: int | None = Field(default=None, ge=2, le=1_000_000)


class Resolved(Record):
    """What decides a text's logits beside the weights, and what they mean.

    Args:
        max_length: tokens after which a text is cut.
        padding_side: where a batch's shorter texts are filled up.
        labels: of each output, in their order.
    """

    max_length: int
    padding_side: Literal["left", "right"]
    labels: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """Nothing goes before a text."""
        return ""


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: its outputs are no choice between labels, or it takes fewer tokens.
    """
    options, config = Options.from_dict(model.options), f"models.{model.name}: its repository"
    resolved = {
        "max_length": _transformer.length(model, options.max_length, source),
        "padding_side": _transformer.padding_side(source),
        "labels": _classes.labels(model, source),
    }
    return Resolved.from_dict(resolved, config, ExportError), []


def items(path: Path) -> list[Item]:
    """Texts with their labels, or without.

    Raises:
        DataError: naming the first row that is none.
    """
    if not _tables.holds(path):
        return _texts.read(path)
    return [Item(row["text"], row["label"]) for row in _tables.rows(path, _COLUMNS)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The tokens of each text, of shape (1, tokens)."""
    _classes.check(items, options.labels)
    return _texts.encode(items, source, model, options)


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of logits and tokenizer."""
    yield from _classes.judge(trial)
    yield from _texts.tokenizer_agreement(trial)
