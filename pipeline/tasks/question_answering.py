"""Extractive question answering: a question and a context in, where the answer begins and ends out.

Data with labels is a table with the columns question, context, answer; without labels it is
question, context. Answers are compared as SQuAD v1.1 does (Rajpurkar et al. 2016).
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.figure import Figure
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Networks, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _classes, _pairs, _tables, _texts
from pipeline.tasks._pairs import TEXTS as TEXTS
from pipeline.tasks._pairs import invent as invent
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import Resolved as Resolved
from pipeline.tasks._transformer import longest as longest
from pipeline.tasks._transformer import resolve as resolve

RUNS_WITH = ()
METRICS = {
    **_classes.FIDELITY,
    "exact_match": _classes.ON_LABELS,
    "f1": _classes.ON_LABELS,
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
}
SPANS = "spans"  # of each token of the context its characters, of others -1
_COLUMNS: Mapping[str, _tables.Kinds] = {"question": str, "context": str}
_ENDS = ("start_logits", "end_logits")
_LONGEST = 15  # tokens of an answer, as in transformers' pipeline
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def items(path: Path) -> list[Item]:
    """Questions and their contexts, with the right answers, or without.

    Raises:
        DataError: naming the first row that is none.
    """
    rows = _tables.rows(path, _COLUMNS, {"answer": (list, dict, str)})
    return [Item((row["question"], row["context"]), _right(row.get("answer"))) for row in rows]


def _right(answer: Any) -> list[str] | None:
    """The right answers: one, several, or several as SQuAD has them; None where nobody said."""
    if isinstance(answer, dict):
        answer = answer.get("text")
    return [answer] if isinstance(answer, str) else answer or None


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The tokens of each pair, of shape (1, tokens), and the characters of the context's.

    Raises:
        DataError: a question leaves no room for its context.
    """
    tokenizer = _texts.tokenizer_of(source, model)
    found: list[Tensors] = []
    for item in items:
        cut = _pairs.cut(tokenizer, item, model, options)
        tokens = _texts.offsets_of(tokenizer, *item.input, **cut)
        of_context = np.array([part == 1 for part in tokens.sequence_ids(0)])
        spans = np.where(of_context[None, :, None], tokens.pop("offset_mapping"), -1)
        found.append({**tokens, SPANS: spans})
    return found


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """start_logits and end_logits, each of shape (1, tokens)."""
    outputs = networks[ir.MODEL](inputs)
    return {name: outputs[name] for name in _ENDS}


def answer(outcome: Outcome) -> dict[str, Any]:
    """The answer, where in the context it stands, and how likely both of its ends are."""
    start, end = _span(outcome.inputs, outcome.outputs)
    spans = outcome.inputs[SPANS][0]
    of_context = spans[:, 0] >= 0
    score = 1.0 if of_context.any() else 0.0
    for name, side, place in zip(_ENDS, (0, 1), (start, end), strict=True):
        if of_context.any():
            shares = _classes.probabilities(outcome.outputs[name][0, of_context])
            score *= float(shares[(spans[of_context, side] == place).argmax()])
    text = outcome.item.input[1][start:end]
    return {"answer": text, "score": score, "start": start, "end": end}


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of spans, answers and tokenizer."""
    trial = _texts.whole(trial)
    yield metrics.max_abs_error(trial.expected, trial.measured)
    chosen, given = (
        [_span(i, o) for i, o in zip(trial.inputs, outputs, strict=True)]
        for outputs in (trial.expected, trial.measured)
    )
    same = [a == b for a, b in zip(chosen, given, strict=True)]
    yield Figure(metric="agreement", value=float(np.mean(same)), samples=len(same))
    apart = [
        _classes.divergence(wanted[end].astype(float), found[end].astype(float))[0]
        for wanted, found in zip(trial.expected, trial.measured, strict=True)
        for end in _ENDS
    ]
    yield Figure(metric="kl_mean", value=float(np.mean(apart)), samples=len(same))
    yield _pairs.tokenizer_agreement(trial)
    if trial.items[0].label is not None:
        for metric, score in (("exact_match", _exact), ("f1", _f1)):
            reference, variant = (_scores(trial, spans, score) for spans in (chosen, given))
            yield metrics.averaged(metric, reference, variant)


def _span(inputs: Tensors, outputs: Tensors) -> tuple[int, int]:
    """The characters of the context from the best start to the best end; none if it has no token.

    The best are those whose logits have the largest sum, of starts that are not behind their end.
    """
    spans = inputs[SPANS][0]
    starts, ends = (outputs[name][0].astype(np.float64) for name in _ENDS)
    sums = starts[:, None] + ends[None, :]
    inside = spans[:, 0] >= 0
    possible = np.triu(np.outer(inside, inside)) & ~np.triu(np.ones_like(sums, bool), _LONGEST)
    if not possible.any():
        return 0, 0
    best = np.where(possible, sums, -np.inf).argmax()
    start, end = np.unravel_index(best, sums.shape)
    return int(spans[start, 0]), int(spans[end, 1])


def _scores(
    trial: Trial, spans: Sequence[tuple[int, int]], score: Callable[[str, str], float]
) -> Vector:
    """Of each answer what the right one that it is nearest to gives it."""
    return np.array(
        [
            max(score(item.input[1][start:end], right) for right in item.label)
            for item, (start, end) in zip(trial.items, spans, strict=True)
        ]
    )


def _exact(answer: str, right: str) -> float:
    return float(_words(answer) == _words(right))


def _f1(answer: str, right: str) -> float:
    """F1 of the words of an answer; of an empty one, whether both are."""
    found, wanted = _words(answer), _words(right)
    if not (found and wanted):
        return float(found == wanted)
    hits = (Counter(found) & Counter(wanted)).total()
    return 2 * hits / (len(found) + len(wanted))


def _words(answer: str) -> list[str]:
    """In small letters, without punctuation and articles, as SQuAD's own evaluation has them."""
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()
