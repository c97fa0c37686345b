"""Pairs of texts that a network reads at once: a query and a document, a question and its context.

Of a pair that is too long the end of the second text is cut off.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.figure import Figure
from pipeline.networks.inputs import TOKENS
from pipeline.networks.tensors import Tensors
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _texts
from pipeline.tasks._texts import Cut

TEXTS = 2  # that the tokenizer IR takes
_TOGETHER = 4  # invented pairs that have one first text
_WORDS = 5  # of that


def invent(source: Path, model: Model, options: Cut, count: int, seed: int) -> list[Item]:
    """Pairs of texts of no meaning: several second ones, of different lengths, for each first."""
    seconds = [item.input for item in _texts.invent(source, model, options, count, seed)]
    words = itertools.cycle(seconds[-1].split())
    length = min(_WORDS, max(1, options.max_length // 4))
    firsts = [" ".join(itertools.islice(words, length)) for _ in seconds[::_TOGETHER]]
    return [Item((firsts[n // _TOGETHER], second)) for n, second in enumerate(seconds)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Cut) -> list[Tensors]:
    """The tokens of each pair, of shape (1, tokens).

    Raises:
        DataError: a first text leaves no room for the second.
    """
    tokenizer = _texts.tokenizer_of(source, model)
    return [dict(tokenizer(*item.input, **cut(tokenizer, item, model, options))) for item in items]


def cut(tokenizer: Any, item: Item, model: Model, options: Cut) -> dict[str, Any]:
    """How a tokenizer is called for a pair.

    Raises:
        DataError: the first text leaves no room for the second.
    """
    first = item.input[0]
    if (alone := len(tokenizer(first, "")[TOKENS])) >= options.max_length:
        raise DataError(
            f"{first[:40]!r}: {alone} tokens: want fewer than max_length, {options.max_length}, "
            "so that there is room for the other text of the pair"
        )
    return {**_texts.cut_of(tokenizer, model, options), "truncation": "only_second"}


def tokenizer_agreement(trial: Trial) -> Figure:
    """The share of pairs that the artifact's own tokenizer IR cuts as the original does."""
    pairs = [item.input for item in trial.items]
    return _texts.cut_alike(trial, pairs, [_texts.tokens_of(i) for i in trial.inputs])
