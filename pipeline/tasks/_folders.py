"""Data sets that are folders: each file in a folder with the name of its label, or in none."""

from collections.abc import Collection
from pathlib import Path

from pipeline.errors import DataError
from pipeline.tasks import Item


def files(path: Path, endings: Collection[str], what: str) -> list[Path]:
    """The files with these endings below a folder, in the order of their paths.

    Raises:
        DataError: there are none.
    """
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in endings)
    if not found:
        raise DataError(f"{path}: no {what} ({', '.join(endings)})")
    return found


def inside(folder: Path, name: str, what: str, where: str) -> Path:
    """The file of a folder that a table or the like names.

    Args:
        folder: the data set.
        name: as it is written, relative to the folder.
        what: what the file should be, for a message.
        where: where it is written, for a message.

    Raises:
        DataError: it is not there, or lies elsewhere.
    """
    file = folder / name
    if not (file.resolve().is_relative_to(folder.resolve()) and file.is_file()):
        raise DataError(f"{where}: file {name!r}: want {what} in the folder")
    return file


def labelled(path: Path, endings: Collection[str], what: str) -> list[Item]:
    """The files below a folder, with the names of their folders as labels; or all without any.

    Raises:
        DataError: there are none, or some with a label and some without.
    """
    found = files(path, endings, what)
    labels = [None if p.parent == path else p.parent.name for p in found]
    if None in labels and set(labels) != {None}:
        alone = found[labels.index(None)]
        raise DataError(f"{alone}: in no folder, where others are: want LABEL/{alone.name}")
    return [Item(file, label) for file, label in zip(found, labels, strict=True)]
