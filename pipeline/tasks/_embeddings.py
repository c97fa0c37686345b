"""Embedding models: what their tasks share. A vector for each text, judged by its direction.

Data with labels is a table with the columns score, sentence1, sentence2; the metric is
Spearman's rank correlation between the cosine of a pair's vectors and its score (Cer et al. 2017,
SemEval-2017 task 1). Any other file holds texts without labels, one a line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Vector
from pipeline.tasks import Item, Trial, _tables, _texts

METRICS = {
    "cosine_mean": Metric("higher", gate={32: 0.999, 16: 0.999, 8: 0.98, 4: 0.9}),
    "cosine_min": Metric("higher"),
    "max_abs_error": metrics.MAX_ABS_ERROR,
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
    "spearman": Metric("higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}),
}
COLUMNS: Mapping[str, _tables.Kind] = {"score": float, "sentence1": str, "sentence2": str}


def items(path: Path) -> list[Item]:
    """Pairs of sentences with their score, or texts without.

    Raises:
        DataError: naming the first row that is none.
    """
    if not _tables.holds(path):
        return _texts.read(path)
    rows = _tables.rows(path, COLUMNS)
    return [Item((row["sentence1"], row["sentence2"]), row["score"]) for row in rows]


def judge(trial: Trial, expected: Sequence[Vector], measured: Sequence[Vector]) -> Iterator[Figure]:
    """All figures of the vectors of each input."""
    lengths = [_texts.count(inputs) for inputs in trial.inputs]
    yield metrics.max_abs_error(trial.expected, trial.measured)
    yield from metrics.cosines(expected, measured, lengths, "tokens")
    yield from _texts.tokenizer_agreement(trial)
    labels = scores(trial)
    if labels.size:
        yield metrics.scored("spearman", spearman, pairs(expected), pairs(measured), labels)


def scores(trial: Trial) -> Vector:
    """The score of each pair; none where the texts have no labels."""
    return np.array([item.label for item in trial.items if item.label is not None])


def pairs(vectors: Sequence[Vector]) -> Vector:
    """The cosine of each pair of vectors: first with second, third with fourth."""
    both = zip(vectors[0::2], vectors[1::2], strict=True)
    return np.array([metrics.cosine(a, b) for a, b in both])


def spearman(predicted: Vector, truth: Vector) -> float:
    """Spearman's rank correlation of what is predicted of pairs with their labels, in [-1, 1]."""
    from scipy.stats import spearmanr

    return float(spearmanr(predicted, truth).statistic)
