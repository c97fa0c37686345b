"""A data set as its task reads it: with the task's own columns, and no more than was asked for."""

import tempfile
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.spec import Data
from pipeline.tasks import Item, _tables


def read(task: Any, data: Data) -> list[Item]:
    """In a child: the items of a data set.

    A table whose columns are called otherwise is written anew, so that no task knows of it.

    Args:
        task: a member of the family.
        data: with a path as its place.

    Raises:
        DataError: it cannot be read, or is not what the task reads.
    """
    path = Path(data.place)
    if not _tables.holds(path):
        if data.columns:
            raise DataError(f"{path}: no table: want one, or no `columns` beside it")
        items: list[Item] = task.items(path)
        return items[: data.first]
    if not data.columns and data.first is None:
        return list(task.items(path))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.jsonl"
        _tables.rename(path, data.columns, data.first, table)
        try:
            return list(task.items(table))
        except DataError as e:
            raise DataError(str(e).replace(f"{table}:", f"{path}: row ")) from e
