"""Token classification: a text in, a logit for each label out of each of its tokens.

Data with labels is a table with the columns tokens, tags: words with spaces between, and
the tag of each. A word has the label of its first token. A file with another ending holds texts
without labels, one a line.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure
from pipeline.networks import metrics
from pipeline.networks.tensors import Array, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _classes, _tables, _texts
from pipeline.tasks._classes import run as run
from pipeline.tasks._labelled import Resolved as Resolved
from pipeline.tasks._labelled import resolve as resolve
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import longest as longest

RUNS_WITH = ()
METRICS = {
    **_classes.METRICS,
    "f1": _classes.ON_LABELS,
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
}
OUTSIDE = "O"  # the tag of what is nothing
STARTS = "starts"  # of each token, the number of the word that it begins, or -1
SPANS = "spans"  # and its characters
_WORD = re.compile(r"\S+")  # of a data set
_FINER = re.compile(r"\w+(?:['\u2019.-]\w+)*|[^\w\s]")  # of prose, in which marks touch words
_COLUMNS = ("tokens", "tags")


def items(path: Path) -> list[Item]:
    """Texts with the tags of their words, or without.

    Raises:
        DataError: naming the first row that is none.
    """
    if not _tables.holds(path):
        return _texts.read(path)
    found = []
    for row in _tables.rows(path, dict.fromkeys(_COLUMNS, (list, str))):
        words, tags = (_words(row[column]) for column in _COLUMNS)
        if len(words) != len(tags):
            raise DataError(
                f"{path}:{row['line']}: {len(words)} words and {len(tags)} tags: want as many"
            )
        found.append(Item(" ".join(words), tags))
    return found


def _words(cell: list[Any] | str) -> list[str]:
    return cell.split() if isinstance(cell, str) else list(map(str, cell))


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The tokens of each text, of shape (1, tokens), and which of them begin its words."""
    tags = [Item(item.input, tag) for item in items for tag in item.label or ()]
    _classes.check(tags, options.labels)
    tokenizer = _texts.tokenizer_of(source, model)
    cut = _texts.cut_of(tokenizer, model, options)
    found: list[Tensors] = []
    for item in items:
        tokens = dict(_texts.offsets_of(tokenizer, item.input, **cut))
        spans = tokens.pop("offset_mapping")
        starts = _starts(_places(_WORD, item.input), spans[0])
        found.append({**tokens, STARTS: starts[None], SPANS: spans})
    return found


def answer(outcome: Outcome) -> list[dict[str, Any]]:
    """What was found: words in a row that have one label, with their place in the text."""
    text = outcome.item.input
    places = _places(_FINER, text)
    found: list[dict[str, Any]] = []
    before = (-1, OUTSIDE)
    for number, tag, share in _tagged(outcome, places):
        label = tag.removeprefix("B-").removeprefix("I-")  # IOB2
        goes_on = before == (number - 1, label) and not tag.startswith("B-")
        before = (number, label)
        if label == OUTSIDE:
            continue
        if not goes_on:
            found.append({"label": label, "shares": [], "start": places[number][0]})
        found[-1]["shares"].append(share)
        found[-1]["end"] = places[number][1]
    return [
        {
            "label": one["label"],
            "score": float(np.mean(one["shares"])),
            "text": text[one["start"] : one["end"]],
            "start": one["start"],
            "end": one["end"],
        }
        for one in found
    ]


def _tagged(
    outcome: Outcome, places: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, str, float]]:
    """The number of each word that has a token, its tag, and how likely that is."""
    rows = _classes.probabilities(outcome.outputs["logits"][0])
    starts = _starts(places, outcome.inputs[SPANS][0])
    for number, shares in zip(starts.tolist(), rows, strict=True):
        if number >= 0:
            yield number, outcome.options.labels[shares.argmax()], float(shares.max())


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of tokens, words and tokenizer."""
    trial = _texts.whole(trial)
    names, theirs = trial.options.labels, _classes.labels_of(trial.folder, trial.options.labels)
    expected, measured = _classes.rows(trial.expected), _classes.rows(trial.measured)
    yield metrics.max_abs_error(trial.expected, trial.measured)
    yield from _classes.fidelity(expected, measured, names, theirs)
    yield _classes.label_agreement(trial)
    yield from _texts.tokenizer_agreement(trial)
    if trial.items[0].label is not None:
        reference = np.array(list(_counts(trial, trial.expected, names)))
        variant = np.array(list(_counts(trial, trial.measured, theirs)))
        sizes = np.array([[len(item.label)] for item in trial.items])
        yield metrics.scored("accuracy", _accuracy, reference, variant, sizes)
        yield metrics.scored("f1", _f1, reference, variant, sizes)


def _starts(places: Sequence[tuple[int, int]], spans: Any) -> Array:
    """Of each token the number of the word that it begins, or -1.

    A span is the characters of a token, which may have the space before a word with them; that of
    a special token is empty.
    """
    found = np.full(len(spans), -1)
    for number, (start, end) in enumerate(places):
        within = (spans[:, 1] > start) & (spans[:, 0] < end) & (spans[:, 0] < spans[:, 1])
        if within.any():
            found[within.argmax()] = number
    return found


def _places(word: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    """The characters of each word of a text."""
    return [match.span() for match in word.finditer(text)]


def _counts(
    trial: Trial, outputs: Sequence[Tensors], names: Sequence[str]
) -> Iterator[tuple[int, int, int, int]]:
    """Of each text: words with their tag; of those that are something, hits, false, missed ones.

    A word without a token, as one that was cut off, is taken for nothing.
    """
    for item, inputs, output in zip(trial.items, trial.inputs, outputs, strict=True):
        read = [OUTSIDE] * len(item.label)
        for number, choice in zip(inputs[STARTS][0], output["logits"][0].argmax(-1), strict=True):
            if number >= 0:
                read[number] = names[choice]
        both = list(zip(read, item.label, strict=True))
        yield (
            sum(a == b for a, b in both),
            sum(a == b != OUTSIDE for a, b in both),
            sum(a != b and a != OUTSIDE for a, b in both),
            sum(a != b and b != OUTSIDE for a, b in both),
        )


def _accuracy(counts: Vector, sizes: Vector) -> float:
    return float(counts[:, 0].sum() / sizes.sum())


def _f1(counts: Vector, _: Vector) -> float:
    """F1 over the words of all texts (micro), of all tags but that of nothing."""
    hits, false, missed = counts[:, 1:].sum(axis=0)
    return float(2 * hits / (2 * hits + false + missed)) if hits + false + missed else np.nan
