"""Tables: the rows of a data set, out of TSV, CSV, JSON Lines and Parquet.

A TSV has no quoting, a CSV has; both begin with a header. A folder of Parquet files is one table,
in the order of their names. Of Parquet that the `datasets` library wrote, class labels are given
by their names, which its schema has.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from pipeline.errors import DataError

Kind: TypeAlias = type[str] | type[float] | type[list[Any]] | type[dict[str, Any]]
Kinds: TypeAlias = Kind | tuple[Kind, ...]
LINE = "line"
_WANTED = {str: "a text", float: "a number", list: "a list", dict: "an object"}
_BATCH = 1024  # rows of Parquet that are in memory as Python objects at once


class _Row(NamedTuple):
    """What stands in a row, and where it is in the table, as a message has it."""

    line: str
    cells: Mapping[str, Any]


def holds(path: Path) -> bool:
    """Whether a file, or a folder, is a table by its name, or by the names in it."""
    return bool(_shards(path)) if path.is_dir() else path.suffix in _READERS


def rows(
    path: Path, columns: Mapping[str, Kinds], optional: Mapping[str, Kinds] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The rows of a table, with the columns that are wanted; others are left out.

    Args:
        path: a .tsv, .csv, .jsonl or .parquet file, or a folder of .parquet files.
        columns: what each value must be: `str`, `float`, `list` or `dict`, or the first of several
            that fits. A number will do as a text; of TSV and CSV a text as a number, and JSON as a
            list or an object.
        optional: the same of columns that may not be there.

    Returns:
        A dict for each row, which has its place too, as `line`: f"{path}:{row['line']}".

    Raises:
        DataError: the table cannot be read, or naming the first row that does not fit.
    """
    found = []
    for line, cells in _read(path, list(columns)):
        row: dict[str, Any] = {LINE: line}
        there = {column: kinds for column, kinds in optional.items() if column in cells}
        for column, kinds in {**columns, **there}.items():
            any_of = kinds if isinstance(kinds, tuple) else (kinds,)
            tried = (_as(kind, cells[column], is_text=path.suffix in _OF_TEXTS) for kind in any_of)
            value = next((found for found in tried if found is not None), None)
            if value is None:
                shown = repr(cells[column])[:100]
                wanted = " or ".join(_WANTED[kind] for kind in any_of)
                raise DataError(f"{path}:{line}: {column} {shown}: want {wanted}")
            row[column] = value
        found.append(row)
    if len(found) < 2:
        raise DataError(f"{path}: {len(found)} rows: want at least 2")
    return found


def rename(path: Path, columns: Mapping[str, str], first: int | None, out: Path) -> None:
    """Write a table as JSON Lines, its columns called otherwise.

    Args:
        path: as of `rows`.
        columns: the new name of a column, and the one that it has; others keep theirs.
        first: how many rows at most.
        out: the file to write.

    Raises:
        DataError: the table cannot be read, has no such column, or holds more than JSON can.
    """
    with out.open("w", encoding="utf-8", newline="\n") as made:
        for line, cells in islice(_read(path, list(columns.values())), first):
            named = {**cells, **{ours: cells[theirs] for ours, theirs in columns.items()}}
            # What no JSON can hold (bytes, dates) is left out, and missed only where it is wanted.
            kept = {column: value for column, value in named.items() if _is_json(value)}
            try:
                made.write(json.dumps(kept, ensure_ascii=False) + "\n")
            except UnicodeEncodeError as e:
                raise DataError(f"{path}:{line}: {e.reason}: want UTF-8 text") from e


def lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, split at LF and CRLF only: texts may hold other separators.

    A byte order mark is none of the first line's.

    Raises:
        DataError: it is not there, or is not UTF-8.
    """
    text = _text(path).replace("\r\n", "\n")
    return text.removesuffix("\n").split("\n") if text else []


def _read(path: Path, wanted: list[str]) -> Iterator[_Row]:
    """Every row with at least the wanted columns."""
    shards = _shards(path) if path.is_dir() else []
    read = _READERS.get(".parquet" if shards else path.suffix)
    if read is None:
        raise DataError(f"{path}: no table: want {', '.join(_READERS)} or a folder of .parquet")
    yield from read(path, wanted)


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _tsv(path: Path, wanted: list[str]) -> Iterator[_Row]:
    header, *rest = [line.split("\t") for line in lines(path)] or [[]]
    _check_header(path, header, wanted, "tab-separated")
    for number, cells in enumerate(rest, start=2):
        if cells != [""]:
            yield _row(path, number, header, cells, "tab-separated")


def _csv(path: Path, wanted: list[str]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, wanted, "separated by commas")
        for cells in reader:
            if cells:
                yield _row(path, reader.line_num, header, cells, "separated by commas")
    except csv.Error as e:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {e}") from e


def _jsonl(path: Path, wanted: list[str]) -> Iterator[_Row]:
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise DataError(f"{path}:{number}: not JSON: {e}") from e
        if not isinstance(cells, dict) or not cells.keys() >= set(wanted):
            have = list(cells) if isinstance(cells, dict) else f"a {type(cells).__name__}"
            raise DataError(f"{path}:{number}: {have}: want an object with {wanted}")
        yield _Row(str(number), cells)


def _parquet(path: Path, wanted: list[str]) -> Iterator[_Row]:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    for shard in _shards(path) if path.is_dir() else [path]:
        inside = f" of {shard.name}" if shard != path else ""
        number = 0
        try:
            with parquet.ParquetFile(shard) as opened:
                schema = opened.schema_arrow
                _check_header(path, schema.names, wanted, "as columns", f"row 0{inside}")
                names = _class_names(schema.metadata or {})
                for batch in opened.iter_batches(_BATCH):
                    for cells in batch.to_pylist():
                        number += 1
                        named = {c: _named(v, names.get(c)) for c, v in cells.items()}
                        yield _Row(f"row {number}{inside}", named)
        except (pyarrow.ArrowException, OSError, ValueError) as e:
            said = " ".join(str(e).split())[:200]
            raise DataError(f"{path}:row {number}{inside}: no Parquet: {said}") from e


_Reader = Callable[[Path, list[str]], Iterator[_Row]]
_READERS: dict[str, _Reader] = {".tsv": _tsv, ".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
_OF_TEXTS = (".tsv", ".csv")
ENDINGS = tuple(_READERS)


def _check_header(
    path: Path, header: list[str], wanted: list[str], how: str, line: str = "1"
) -> None:
    if not set(wanted) <= set(header) or len(set(header)) < len(header):
        raise DataError(f"{path}:{line}: header {header}: want {wanted}, {how}")


def _row(path: Path, number: int, header: list[str], cells: list[str], how: str) -> _Row:
    if len(cells) != len(header):
        raise DataError(f"{path}:{number}: want {', '.join(header)}, {how}")
    return _Row(str(number), dict(zip(header, cells, strict=True)))


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names of the class labels in each column that has such, or lists of them."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {column: names for column, kind in features.items() if (names := _names(kind))}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # another library's, or none


def _names(kind: Any) -> list[str]:
    inner = kind.get("feature", kind) if isinstance(kind, dict) else kind
    inner = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
    return list(map(str, inner.get("names") or ())) if isinstance(inner, dict) else []


def _named(value: Any, names: list[str] | None) -> Any:
    """A class label by its name; -1 is what has none."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(element, names) for element in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _as(kind: Kind, value: Any, *, is_text: bool) -> Any:
    """A value as one of a kind; None if it is none."""
    if kind is str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number or isinstance(value, str) else None
    if is_text:
        try:
            value = float(value) if kind is float else json.loads(value)
        except (ValueError, RecursionError):
            return None
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and math.isfinite(value) else None
    return value if isinstance(value, kind) else None


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    return value is None or isinstance(value, str | int | float)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as e:
        raise DataError(f"{path}: {e.strerror}: want a file of UTF-8 text") from e
    except UnicodeDecodeError as e:
        raise DataError(f"{path}: byte {e.start}: {e.reason}: want UTF-8 text") from e
