"""Texts: data sets of them, tokens, texts of no meaning, and whether a tokenizer IR cuts alike.

A file of texts has one a line, an empty line being the empty text, and no labels.
"""

import functools
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from pipeline import shaping
from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure, Metric
from pipeline.host.reasons import over
from pipeline.networks import ir
from pipeline.networks.inputs import TOKENS, mask
from pipeline.networks.tensors import Array, Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item, Trial
from pipeline.tasks._tables import lines

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "unigram.json",
    "*.model",
    "*.spm",
)
TOOLCHAIN = ("numpy", "pyarrow", "sentencepiece", "tokenizers", "transformers")
JUDGED_WITH = ("numpy", "openvino", "scipy")
# No precision excuses a tokenizer that cuts otherwise.
TOKENIZER_AGREEMENT = Metric("higher", gate=dict.fromkeys((32, 16, 8, 4), 0.99), stays=True)
_LENGTH, _LONGEST = 64, 512  # tokens of a benchmark's text, words of the longest invented one
_DRAWN = 4096  # tokens of which words are taken
_SPECIAL = 2  # tokens at most that stand where a text is cut


class Sizes(Record):
    """What of an input a benchmark may vary.

    Args:
        batch: texts at once.
        length: tokens of each; by default 64, or what the model takes if that is less.
    """

    batch: int = Field(default=1, ge=1, le=100_000)
    length: int | None = Field(default=None, ge=1, le=1_000_000)


class Options(Record):
    """`options:` of a model whose task asks no more; left out is what the repository says.

    Args:
        max_length: tokens after which a text is cut.
    """

    max_length: int | None = Field(default=None, ge=2, le=1_000_000)


class Cut(Protocol):
    """Of a task's options, how texts are cut."""

    @property
    def max_length(self) -> int:
        """Tokens after which a text is cut."""

    @property
    def prefix(self) -> str:
        """What goes before every text."""


def read(path: Path) -> list[Item]:
    """The lines of a UTF-8 file, without labels.

    Raises:
        DataError: it is not there, or is empty.
    """
    texts = lines(path)
    if not texts:
        raise DataError(f"{path}: empty: want one text a line")
    return [Item(text) for text in texts]


def flat(items: Sequence[Item]) -> list[str]:
    """The texts of all items in their order: each has one, or several."""
    return [text for item in items for text in _texts(item)]


def invent(source: Path, model: Model, options: Cut, count: int, seed: int) -> list[Item]:
    """Texts of words of the model's vocabulary, from one word to as many as it takes, or 512.

    They have no meaning, but the tokenizer cuts them as it cuts others.
    """
    drawn = random.Random(seed)  # noqa: S311 - nothing secret
    words = _words(tokenizer_of(source, model), drawn)
    longest = min(options.max_length, _LONGEST)
    lengths = np.geomspace(1, longest, count).round().astype(int)
    return [Item(" ".join(drawn.choices(words, k=length))) for length in lengths]


def encode(items: Sequence[Item], source: Path, model: Model, options: Cut) -> list[Tensors]:
    """The tokens of each text, of shape (1, tokens)."""
    tokenizer = tokenizer_of(source, model)
    cut = cut_of(tokenizer, model, options)
    tokens = (dict(tokenizer(options.prefix + text, **cut)) for text in flat(items))
    return [found if count(found) else _padding(tokenizer, found) for found in tokens]


def cut_of(tokenizer: Any, model: Model, options: Cut) -> dict[str, Any]:
    """How a tokenizer is called: what it cuts, and how far it fills up.

    Raises:
        ExportError: a network takes so many tokens and no fewer, and there is none to fill up with.
    """
    cut = {"truncation": True, "max_length": options.max_length, "return_tensors": "np"}
    if shaping.length(model.shapes) is None:
        return cut
    if tokenizer.pad_token_id is None:
        raise ExportError(
            f"models.{model.name}.shapes: its tokenizer has no token that fills up: want -1 for "
            "the tokens"
        )
    return {**cut, "padding": "max_length"}


def sized(source: Path, model: Model, options: Cut, sizes: Sizes) -> Tensors:
    """Tokens of no meaning, of shape (batch, length).

    Raises:
        DataError: the model takes fewer tokens.
    """
    length = sizes.length or min(_LENGTH, options.max_length)
    if length > options.max_length:
        raise DataError(
            f"sizes.length: {length}: models.{model.name} takes at most {options.max_length} tokens"
        )
    tokenizer = tokenizer_of(source, model)
    words = itertools.cycle(_words(tokenizer, random.Random(0)))  # noqa: S311 - nothing secret
    text = " ".join(itertools.islice(words, length))
    cut = {"truncation": True, "max_length": length, "return_tensors": "np"}
    tokens = {name: np.asarray(array) for name, array in tokenizer(text, **cut).items()}
    return {name: np.repeat(array, sizes.batch, axis=0) for name, array in tokens.items()}


def offsets_of(tokenizer: Any, *texts: str, **cut: Any) -> Any:
    """Tokens with the characters that each was made of, as arrays of shape (1, tokens, ...).

    Raises:
        ExportError: the tokenizer does not tell them.
    """
    if not tokenizer.is_fast:
        raise ExportError(
            f"its tokenizer, a {type(tokenizer).__name__}, does not tell of which characters a "
            "token was made: want tokenizer.json"
        )
    return tokenizer(*texts, return_offsets_mapping=True, **cut)


def count(inputs: Tensors) -> int:
    """How long an input is, in tokens, without what fills it up."""
    return int(mask(inputs)[0].sum())


def whole(trial: Trial) -> Trial:
    """A trial of tokens without those that fill up; what has one value for each loses those too."""
    if all(count(inputs) == inputs[TOKENS].shape[1] for inputs in trial.inputs):
        return trial
    real = [mask(inputs)[0] == 1 for inputs in trial.inputs]
    return trial._replace(
        inputs=[_kept(one, rows) for one, rows in zip(trial.inputs, real, strict=True)],
        expected=[_kept(one, rows) for one, rows in zip(trial.expected, real, strict=True)],
        measured=[_kept(one, rows) for one, rows in zip(trial.measured, real, strict=True)],
    )


def _kept(sample: Tensors, rows: Array) -> Tensors:
    return {
        name: array[:, rows] if array.shape[1:2] == rows.shape else array
        for name, array in sample.items()
    }


@over("the tokenizer's files")
def tokenizer_of(source: Path, model: Model) -> Any:
    """The tokenizer of a repository, as transformers has it; whoever shares one takes turns."""
    return _tokenizer(source, "remote_code" in model.allow)


@functools.lru_cache(maxsize=4)  # reading one takes longer than most models take for a text
def _tokenizer(source: Path, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        source, trust_remote_code=trust_remote_code, local_files_only=True
    )


def tokenizer_agreement(trial: Trial) -> Iterator[Figure]:
    """The share of texts that the artifact's own tokenizer IR cuts as the original does."""
    options: Cut = trial.options
    texts = [(options.prefix + text,) for text in flat(trial.items)]
    yield cut_alike(trial, texts, [tokens_of(sample) for sample in trial.inputs])


def tokens_of(inputs: Tensors) -> Array:
    """The tokens of a text, of shape (tokens,), without those that fill up."""
    return np.asarray(inputs[TOKENS][0][mask(inputs)[0] == 1])


def cut_alike(trial: Trial, texts: Sequence[Sequence[str]], wanted: Sequence[Array]) -> Figure:
    """The same, of any texts.

    The tokenizer IR cuts no long text off, its user does: of such a text the tokens are compared
    up to where it is cut, at the right or at the left.

    Args:
        trial: what is judged.
        texts: what the tokenizer takes at once: a text, or a pair.
        wanted: what the original's makes of each.
    """
    import openvino as ov

    tokenize = ov.Core().compile_model(ir.read(trial.folder, ir.TOKENIZER), "CPU")
    longest = trial.options.max_length
    agreed = []
    for given, ids in zip(texts, wanted, strict=True):
        found = tokenize({place: [text] for place, text in enumerate(given)})[TOKENS][0]
        is_empty = not ("".join(given).strip() or found.size)
        agreed.append(is_empty or _agree(ids, found, longest))
    return Figure(metric="tokenizer_agreement", value=float(np.mean(agreed)), samples=len(agreed))


def _agree(wanted: Array, found: Array, max_length: int) -> bool:
    if len(wanted) < max_length:
        return np.array_equal(wanted, found)
    kept = max(1, max_length - _SPECIAL)
    ends = (slice(None, kept), slice(-kept, None))
    return any(np.array_equal(wanted[end], found[end]) for end in ends)


def _texts(item: Item) -> Sequence[str]:
    return [item.input] if isinstance(item.input, str) else item.input


def _padding(tokenizer: Any, found: Tensors) -> Tensors:
    """What stands for a text without a token, over which the original fails: one of padding."""
    if not found[TOKENS].size:
        found = {TOKENS: np.array([[tokenizer.pad_token_id or 0]])}
    first = np.zeros_like(found[TOKENS])
    first[:, -1 if tokenizer.padding_side == "left" else 0] = 1
    return {**found, "attention_mask": first}


def _words(tokenizer: Any, drawn: random.Random) -> list[str]:
    """Words that are one token each, in an order that the seed decides."""
    ids = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    chosen = drawn.sample(ids, k=min(_DRAWN, len(ids)))
    decoded = [tokenizer.decode([token]).strip() for token in chosen]
    return [word for word in decoded if word.isascii() and word.isalpha()] or decoded
