"""Tables: the same rows out of every format, and the place of the first that does not fit."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.errors import DataError
from pipeline.tasks import _tables, text_classification

ROWS = [{"label": "good", "text": 'a "b",\u2028c'}, {"label": "bad", "text": ""}]
COLUMNS = {"label": str, "text": str}


def classes(names: list[str], column: str, *, listed: bool = False) -> dict[bytes, bytes]:
    """What `datasets` writes into a schema of class labels."""
    kind: dict[str, Any] = {"names": names, "_type": "ClassLabel"}
    features = {column: {"feature": kind, "_type": "Sequence"} if listed else kind}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def write_parquet(path: Path, rows: list[dict[str, Any]], metadata: Any = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows).replace_schema_metadata(metadata), path)
    return path


def write_table(folder: Path, kind: str) -> Path:
    path = folder / f"table.{kind}"
    if kind == "parquet":
        return write_parquet(path, ROWS)
    path.write_bytes(
        {
            "tsv": 'text\tlabel\na "b",\u2028c\tgood\n\tbad\n',
            "csv": 'label,text\r\ngood,"a ""b"",\u2028c"\r\nbad,\r\n',
            "jsonl": "".join(json.dumps({**row, "more": [1]}) + "\n" for row in ROWS),
        }[kind].encode()
    )
    return path


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    path = write_table(tmp_path, kind)

    found = _tables.rows(path, COLUMNS)

    assert _tables.holds(path)
    assert [{c: row[c] for c in COLUMNS} for row in found] == ROWS
    items = text_classification.items(path)
    assert [(item.label, item.input) for item in items] == [(r["label"], r["text"]) for r in ROWS]


def test_a_folder_of_parquet_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    write_parquet(tmp_path / "b.parquet", [{"n": 2.0}])
    write_parquet(tmp_path / "a.parquet", [{"n": 0.0}, {"n": 1.0}])

    found = _tables.rows(tmp_path, {"n": float})

    assert [(row["n"], row["line"]) for row in found] == [
        (0, "row 1 of a.parquet"), (1, "row 2 of a.parquet"), (2, "row 1 of b.parquet"),
    ]  # fmt: skip


def test_class_labels_are_given_by_name_in_lists_too(tmp_path: Path) -> None:
    single = write_parquet(
        tmp_path / "a.parquet", [{"l": 1}, {"l": 0}, {"l": -1}], classes(["no", "yes"], "l")
    )
    tags = [{"l": [0, 1]}, {"l": []}]
    listed = write_parquet(tmp_path / "b.parquet", tags, classes(["O", "B"], "l", listed=True))

    assert [r["l"] for r in _tables.rows(single, {"l": str})] == ["yes", "no", "-1"]
    assert [r["l"] for r in _tables.rows(listed, {"l": list})] == [["O", "B"], []]


def test_lists_and_objects_of_a_text_format_are_json(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('words\tanswer\n["a", "b"]\t{"start": 1}\n[]\t{}\n')

    found = _tables.rows(path, {"words": list, "answer": dict})

    assert [(r["words"], r["answer"]) for r in found] == [(["a", "b"], {"start": 1}), ([], {})]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "label,text\na,b\nc\n", ":3: want label, text, separated by commas"),
        ("t.csv", 'label,text\na,"b\n', ":2: not CSV: unexpected end of data"),
        ("t.csv", "label,body\na,b\n", ":1: header ['label', 'body']: want ['label', 'text']"),
        ("t.jsonl", '{"label": "a"}\n', ":1: ['label']: want an object with ['label', 'text']"),
        ("t.jsonl", "\n[1]\n", ":2: a list: want an object with"),
        ("t.jsonl", '{"label": "a", "text": null}\n', ":1: text None: want a text"),
        ("t.jsonl", "{\n", ":1: not JSON: Expecting"),
        ("t.jsonl", "", ": 0 rows: want at least 2"),
        ("t.parquet", "PAR1", ":row 0: no Parquet: "),
        ("t.txt", "a", ": no table: want .tsv, .csv, .jsonl, .parquet or a folder of .parquet"),
    ],
)
def test_the_first_row_that_does_not_fit_is_named(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(DataError) as raised:
        _tables.rows(path, COLUMNS)

    assert str(raised.value).startswith(f"{path}{said}")


def test_a_renamed_table_has_our_columns_and_so_many_rows(tmp_path: Path) -> None:
    rows = [{"sentence": f"text {n}", "stars": n, "picture": b"\0"} for n in range(5)]
    path = write_parquet(tmp_path / "t.parquet", rows)

    _tables.rename(path, {"text": "sentence", "label": "stars"}, 3, tmp_path / "t.jsonl")

    found = _tables.rows(tmp_path / "t.jsonl", COLUMNS)
    assert [(r["text"], r["label"]) for r in found] == [(f"text {n}", str(n)) for n in range(3)]
    with pytest.raises(
        DataError, match=r"header \['sentence', 'stars', 'picture'\]: want \['body'\]"
    ):
        _tables.rename(path, {"text": "body"}, None, tmp_path / "t.jsonl")
