"""Transcripts: data sets of speech with what is said in it, and error rates of what was heard.

A data set is a folder of sounds. Where `transcripts.tsv` lies in it (header file, text), the sounds
are those that it names, with their transcripts; else all of them, without.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Vector
from pipeline.tasks import Item, _audio, _folders, _tables

JUDGED_WITH = ("jiwer", "rapidfuzz", "transformers")
METRICS = {
    "transcript_agreement": Metric("higher"),
    "wer": Metric("lower", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}),
    "cer": Metric("lower", labelled=True),
}
FILE = "transcripts.tsv"
_COLUMNS: Mapping[str, _tables.Kinds] = {"file": str, "text": str}


def items(path: Path) -> list[Item]:
    """The sounds of a folder, with what is said in them or without.

    Raises:
        DataError: there are none; or naming the first line of the transcripts that is wrong.
    """
    if not (path / FILE).exists():
        return [Item(file) for file in _folders.files(path, _audio.ENDINGS, "sounds")]
    return [_spoken(path, row) for row in _tables.rows(path / FILE, _COLUMNS)]


def _spoken(folder: Path, row: dict[str, str]) -> Item:
    where = f"{folder / FILE}:{row['line']}"
    file = _folders.inside(folder, row["file"], "a sound", where)
    if not normal(row["text"]):
        raise DataError(f"{where}: text {row['text']!r}: want what is said, in words")
    return Item(file, row["text"])


def normal(text: str, language: str | None = None) -> str:
    """A text as error rates count it: lower case, without punctuation and what is in brackets.

    By the normalizers that Whisper's authors made; theirs for English writes numbers, titles and
    contractions in one way too.
    """
    from transformers.models.whisper import english_normalizer as normalizers

    if language == "en":
        english: Any = normalizers.EnglishTextNormalizer
        return str(english({})(text)).strip()
    return str(normalizers.BasicTextNormalizer()(text)).strip()


def judge(
    items: Sequence[Item],
    expected: Sequence[str],
    measured: Sequence[str],
    language: str | None = None,
) -> Iterator[Figure]:
    """How often the original's transcript was heard, and the error rates of both by the labels.

    Args:
        items: labelled with what is said, or not at all.
        expected: the original's transcript of each.
        measured: the variant's.
        language: what is spoken, if somebody knows.
    """
    theirs, ours = ([normal(text, language) for text in side] for side in (expected, measured))
    same = np.array([a == b for a, b in zip(theirs, ours, strict=True)])
    yield Figure(metric="transcript_agreement", value=float(same.mean()), samples=len(same))
    if any(item.label is None for item in items):
        return
    said = [normal(item.label, language) for item in items]
    for metric, counted in (("wer", _words), ("cer", _characters)):
        (reference, lengths), (variant, _) = (
            np.array([counted(a, b) for a, b in zip(said, side, strict=True)]).T
            for side in (theirs, ours)
        )
        yield metrics.scored(metric, _rate, reference, variant, lengths, better="lower")


def _words(said: str, heard: str) -> tuple[int, int]:
    """Errors in words, and how many were said."""
    import jiwer

    found = jiwer.process_words(said, heard)
    missed = found.substitutions + found.deletions
    return missed + found.insertions, missed + found.hits


def _characters(said: str, heard: str) -> tuple[int, int]:
    """Errors in characters, and how many there are in what was said."""
    import jiwer

    found = jiwer.process_characters(said, heard)
    missed = found.substitutions + found.deletions
    return missed + found.insertions, missed + found.hits


def _rate(errors: Vector, lengths: Vector) -> float:
    return float(errors.sum() / lengths.sum())
