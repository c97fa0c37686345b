"""Texts with labels: what tasks share that give some of a model's own labels, or read such data."""

from pathlib import Path

from pipeline.errors import ExportError
from pipeline.record import read_json
from pipeline.spec import Model
from pipeline.tasks import Item, _classes, _tables, _texts, _transformer


class Resolved(_transformer.Resolved):
    """What decides a text's logits beside the weights, and what they mean.

    Args:
        labels: of each output, in their order.
    """

    labels: tuple[str, ...]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: its outputs are no choice between labels, or it takes fewer tokens.
    """
    if len(_classes.named(read_json(source / "config.json", dict, ExportError))) == 1:
        raise ExportError(
            f"models.{model.name}.task: {model.task!r}: config.json has one label: a score, and no "
            "choice: want text-ranking"
        )
    cut, notes = _transformer.resolve(model, source)
    return Resolved(**cut.to_dict(), labels=_classes.labels(model, source)), notes


def items(path: Path) -> list[Item]:
    """Texts with their labels, or without.

    Raises:
        DataError: naming the first row that is none.
    """
    return texts(path, "label")


def texts(path: Path, label: str) -> list[Item]:
    """The texts of a table with the column `label` says as their labels; else lines, without.

    Raises:
        DataError: naming the first row that is none.
    """
    if not _tables.holds(path):
        return _texts.read(path)
    rows = _tables.rows(path, {label: str, "text": str})
    return [Item(row["text"], row[label]) for row in rows]
