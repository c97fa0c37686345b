"""Texts and tokens, by an artifact's own tokenizer and detokenizer IR.

The IR cuts no text. Here one is cut as transformers cuts it: what the tokenizer puts around a text
stays, of the text itself the end goes, or the beginning where `truncation_side` is left. Of a pair
the second text is cut (pipeline/tasks/_pairs.py).
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from pipeline.errors import DataError, SpecError
from pipeline.networks import ir
from pipeline.networks.inputs import TOKENS
from pipeline.networks.tensors import Array, Tensors
from pipeline.runtime.held import Held
from pipeline.tasks._texts import Cut

Side = Literal["left", "right"]
_CONFIG = "tokenizer_config.json"
_PROBE = "a"
MASK = "attention_mask"


class Tokenizer:
    """Texts to tokens, cut to a length.

    Args:
        held: an artifact with a tokenizer IR.

    Attributes:
        count: how many texts it takes at once: 1, or 2 of a pair.
    """

    def __init__(self, held: Held) -> None:
        self._network = _Compiled(held, ir.TOKENIZER)
        self.count = len(self._network.inputs)
        self._side: Side = _config(held).get("truncation_side", "right")
        first = (_PROBE,) * (self.count - 1)
        nothing, probe = self._whole([(*first, ""), (*first, _PROBE)])
        self._before = _alike(nothing[TOKENS], probe[TOKENS])  # tokens before a text that stay
        self._behind = len(nothing[TOKENS]) - self._before  # and behind it
        self.padding = self._padding()

    def __call__(self, texts: Sequence[Sequence[str]], options: Cut) -> list[dict[str, Array]]:
        """The tokens of each text or pair, each of shape (1, tokens).

        Args:
            texts: as many at once as it takes.
            options: the task's, which say at how many tokens one is cut.

        Raises:
            DataError: the first text of a pair leaves no room for the second.
        """
        rows = zip(texts, self._whole(texts), strict=True)
        return [self._shaped(self._cut(row, text, options.max_length)) for text, row in rows]

    def _cut(self, row: dict[str, Array], text: Sequence[str], longest: int) -> dict[str, Array]:
        """A row of at most so many tokens; those stay that are before the text and behind it."""
        if (count := len(row[TOKENS])) <= longest:
            return row
        head = self._before if self.count == 1 else self._first(text[0], longest)
        room = max(0, longest - head - self._behind)
        start = head if self._side == "right" else count - self._behind - room
        kept = [*range(head), *range(start, start + room), *range(count - self._behind, count)]
        return {name: array[kept] for name, array in row.items()}

    def _first(self, text: str, longest: int) -> int:
        """How many tokens the first text of a pair is, with what is around it."""
        [alone] = self._whole([(text, "")])
        if (count := len(alone[TOKENS])) >= longest:
            raise DataError(
                f"{text[:40]!r}: {count} tokens: want fewer than max_length, {longest}, so that "
                "there is room for the other text of the pair"
            )
        return count - self._behind

    def _whole(self, texts: Sequence[Sequence[str]]) -> list[dict[str, Array]]:
        """All tokens of each, of shape (tokens,), without padding."""
        made = self._network([list(column) for column in zip(*texts, strict=True)])
        real = made[MASK] == 1
        return [
            {name: array[place][row] for name, array in made.items()}
            for place, row in enumerate(real)
        ]

    def _padding(self) -> int:
        """The token that fills a batch up."""
        short, long = ("",) * self.count, (_PROBE * 2 + f" {_PROBE}" * 4,) * self.count
        made = self._network([list(column) for column in zip(short, long, strict=True)])
        return int(made[TOKENS][0][made[MASK][0] == 0][0])

    def _shaped(self, row: Mapping[str, Array]) -> dict[str, Array]:
        """With an axis for the batch; a text without a token is one of padding, as in the tasks."""
        if not len(row[TOKENS]):
            return {TOKENS: np.array([[self.padding]]), MASK: np.array([[1]])}
        return {name: array[None] for name, array in row.items()}


class Detokenizer:
    """Tokens to text; special ones say nothing.

    Args:
        held: an artifact with a detokenizer IR.
    """

    def __init__(self, held: Held) -> None:
        self._network = _Compiled(held, ir.DETOKENIZER)

    def __call__(self, tokens: Sequence[int] | Array) -> str:
        """The text of tokens of shape (n,)."""
        (made,) = self._network([np.asarray(tokens, np.int64)[None]]).values()
        return str(made[0])


class _Compiled:
    """An IR of openvino-tokenizers on the CPU, where alone its operations run."""

    def __init__(self, held: Held, name: str) -> None:
        import openvino as ov

        if f"{name}.xml" not in held.files:
            raise SpecError(f"{held.where}: no {name}.xml: texts are read with it: want tensors")
        compiled = ov.Core().compile_model(held.model(name), "CPU")
        self.inputs = compiled.inputs
        self._lock, self._request = threading.Lock(), compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Any]) -> dict[str, Array]:
        with self._lock:
            made = self._request.infer(dict(enumerate(inputs)))
            return {port.any_name: array.copy() for port, array in made.items()}


def batch(
    samples: Sequence[Tensors], padding: int, side: Side, length: int | None = None
) -> dict[str, Array]:
    """Tokens of several texts as one batch: shorter ones are filled up, which the mask says.

    Args:
        samples: each of shape (1, tokens).
        padding: the token that fills up.
        side: where it goes.
        length: up to where; by default to the longest.
    """
    longest = length or max(sample[TOKENS].shape[1] for sample in samples)
    return {
        name: np.concatenate(
            [_filled(sample[name], longest, padding if name == TOKENS else 0, side)
             for sample in samples]
        )
        for name in samples[0]
    }  # fmt: skip


def _filled(array: Array, longest: int, value: int, side: Side) -> Array:
    missing = longest - array.shape[1]
    widths = ((0, 0), (missing, 0) if side == "left" else (0, missing))
    return np.pad(array, widths, constant_values=value)


def _alike(one: Array, other: Array) -> int:
    """How many tokens are the same at the beginning of both."""
    shorter = min(len(one), len(other))
    apart = np.flatnonzero(one[:shorter] != other[:shorter])
    return int(apart[0]) if len(apart) else shorter


def _config(held: Held) -> dict[str, Any]:
    return held.json(_CONFIG) if _CONFIG in held.files else {}
