"""Masked tokens: a text with a gap in, a logit for each token of the vocabulary there out.

Data with labels is a table with the columns label, text: the word that stands at the mask,
which is written as the model's tokenizer has it (`[MASK]`, `<mask>`). A file with another ending
holds texts, one a line; of one without a mask a token is masked that chance chooses.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.inputs import TOKENS
from pipeline.networks.tensors import Array, Networks, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _classes, _texts
from pipeline.tasks._labelled import items as items
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import Resolved as Resolved
from pipeline.tasks._transformer import longest as longest
from pipeline.tasks._transformer import resolve as resolve

RUNS_WITH = ()
METRICS = {
    **_classes.FIDELITY,
    "accuracy": _classes.ON_LABELS,
    "top5": Metric("higher", labelled=True),
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
}
MASKED = "masked"  # what the tokenizer gives where a mask is, elsewhere -1
ANSWER = "answer"  # the token that is right there
_BEST = 5


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The tokens of each text, of shape (1, tokens), with a mask.

    Raises:
        DataError: a text with a label has no mask, or the label is more than one token.
        ExportError: the tokenizer has no mask.
    """
    tokenizer = _texts.tokenizer_of(source, model)
    if tokenizer.mask_token_id is None:
        raise ExportError(
            f"models.{model.name}.task: 'fill-mask': its tokenizer has no mask token: want one "
            "whose tokenizer_config.json names it"
        )
    encoded = _texts.encode(items, source, model, options)
    return [
        _masked(tokens, tokenizer, number)
        if item.label is None
        else _answered(tokens, tokenizer, item, options)
        for number, (item, tokens) in enumerate(zip(items, encoded, strict=True))
    ]


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """Logits at the masks, of shape (masks, vocabulary); all where nobody says where they are."""
    logits = networks[ir.MODEL](inputs)["logits"]
    return {"logits": logits[0, inputs[MASKED][0] != -1] if MASKED in inputs else logits}


def answer(outcome: Outcome) -> list[list[dict[str, Any]]]:
    """Of each mask the tokens that are likeliest there, with their probabilities.

    Raises:
        DataError: the text has none.
    """
    masked, fed = outcome.inputs[MASKED], outcome.inputs[TOKENS]
    if (masked[masked != -1] != fed[masked != -1]).any():  # one that chance chose
        raise DataError(f"{outcome.item.input[:40]!r}: no mask: want one, as [MASK] or <mask>")
    shares = _classes.probabilities(outcome.outputs["logits"])
    likeliest = np.argsort(-shares, axis=1, kind="stable")[:, :_BEST]
    return [
        [{"text": outcome.read([token]), "score": float(row[token])} for token in best]
        for row, best in zip(shares, likeliest, strict=True)
    ]


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of the tokens at masks and of the tokenizer."""
    expected, measured = _classes.rows(trial.expected), _classes.rows(trial.measured)
    yield metrics.max_abs_error(trial.expected, trial.measured)
    yield from _classes.fidelity(expected, measured)
    texts = [(text,) for text in _texts.flat(trial.items)]
    unmasked = (
        {**i, TOKENS: np.where(i[MASKED] == -1, i[TOKENS], i[MASKED])} for i in trial.inputs
    )
    whole = [_texts.tokens_of(inputs) for inputs in unmasked]
    yield _texts.cut_alike(trial, texts, whole)
    if trial.items[0].label is not None:
        answers = np.array([inputs[ANSWER][0] for inputs in trial.inputs])
        reference, variant = _places(expected, answers), _places(measured, answers)
        for metric, first in (("accuracy", 1), ("top5", _BEST)):
            hits = [(places < first).astype(np.float64) for places in (reference, variant)]
            yield metrics.averaged(metric, *hits)


def _masked(tokens: Tensors, tokenizer: Any, seed: int) -> Tensors:
    """With the masks that a text has, or else one of its tokens masked."""
    ids = tokens[TOKENS].copy()
    if not (is_mask := ids == tokenizer.mask_token_id).any():
        real = np.flatnonzero(~np.isin(ids[0], tokenizer.all_special_ids))
        drawn = random.Random(seed)  # noqa: S311 - nothing secret
        is_mask[0, drawn.choice(real if real.size else range(ids.size))] = True
    masked = np.where(is_mask, ids, -1)
    return {**tokens, TOKENS: np.where(is_mask, tokenizer.mask_token_id, ids), MASKED: masked}


def _answered(tokens: Tensors, tokenizer: Any, item: Item, options: Resolved) -> Tensors:
    """With the one mask of a text, and the token that its label is there."""
    mask = tokenizer.mask_token
    is_mask = tokens[TOKENS] == tokenizer.mask_token_id
    if is_mask.sum() != 1:
        raise DataError(
            f"{item.input[:40]!r}: {is_mask.sum()} masks in the first {options.max_length} tokens: "
            f"want one {mask}"
        )
    filled = tokenizer(item.input.replace(mask, item.label), return_tensors="np")[TOKENS]
    masked = np.where(is_mask, tokens[TOKENS], -1)
    whole = tokenizer(item.input, return_tensors="np")[TOKENS]
    place = int((whole[0] == tokenizer.mask_token_id).argmax())
    if filled.shape != whole.shape:
        raise DataError(f"label {item.label!r}: no single token of the model's: want one that is")
    return {**tokens, MASKED: masked, ANSWER: filled[0, place : place + 1]}


def _places(logits: Vector, answers: Array) -> Vector:
    """How many tokens have a larger logit than the right one."""
    right = logits[np.arange(len(logits)), answers]
    return np.asarray((logits > right[:, None]).sum(axis=1))
