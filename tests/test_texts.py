"""Data files of texts: a text arrives as it was written, and what is none is named by its line."""

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.tasks import Item, _embeddings, _texts

# What str.splitlines and csv end a line at, and a file of texts does not.
SEPARATORS = "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"
HEADER = "score\tsentence1\tsentence2\n"


def written(path: Path, text: str) -> Path:
    """A file of exactly that text."""
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_only_lf_and_crlf_end_a_line(separator: str, tmp_path: Path) -> None:
    text = f"one{separator}two"
    texts = written(tmp_path / "texts", f"{text}\n{text}\r\n\nlast{separator}")
    pairs = written(tmp_path / "pairs.tsv", f'{HEADER}1\t{text}\t"a\n0.5\t\t{text}\r\n')

    assert [item.input for item in _texts.read(texts)] == [text, text, "", f"last{separator}"]
    assert _embeddings.items(pairs) == [Item((text, '"a'), 1.0), Item(("", text), 0.5)]


def test_a_byte_order_mark_is_no_text_at_the_start_and_one_elsewhere(tmp_path: Path) -> None:
    texts = written(tmp_path / "texts", "\ufeffone\n\ufefftwo\n")
    pairs = written(tmp_path / "pairs.tsv", f"\ufeff{HEADER}1\ta\tb\n2\tc\td\n")

    assert [item.input for item in _texts.read(texts)] == ["one", "\ufefftwo"]
    assert len(_embeddings.items(pairs)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: header []: want"),
        ("score,a,b\n", ":1: header ['score,a,b']: want"),
        (f"{HEADER}1\ta\n", ":2: want score, sentence1, sentence2, tab-separated"),
        (f"{HEADER}1\ta\tb\n\n2\ta\tb\tc\n", ":4: want score, sentence1, sentence2, tab-separated"),
        (f"{HEADER}high\ta\tb\n1\ta\tb\n", ":2: score 'high': want a number"),
        (f"{HEADER}1\ta\tb\nnan\ta\tb\n", ":3: score 'nan': want a number"),
        (f"{HEADER}1\ta\tb\n", ": 1 rows: want at least 2"),
    ],
)
def test_the_first_line_that_is_no_pair_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "pairs.tsv", text)

    with pytest.raises(DataError) as raised:
        _embeddings.items(path)

    assert str(raised.value).startswith(f"{path}{said}")


def test_bytes_that_are_no_text_are_named_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "texts").write_bytes(b"caf\xe9\n")

    with pytest.raises(DataError, match=r"texts: byte 3: invalid continuation byte: want UTF-8"):
        _texts.read(tmp_path / "texts")
