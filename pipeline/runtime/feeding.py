"""What networks are fed of items: tokens, pixels, waves, as where the artifact was validated.

Texts become tokens by the artifact's own tokenizer IR. What needs more than that (places in a text,
pictures, sounds) the task makes itself, of the artifact's files, with the libraries of `[run]`.
"""

import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline import shaping
from pipeline.networks import ir
from pipeline.networks.description import Description
from pipeline.networks.inputs import PIXELS, TOKENS
from pipeline.networks.session import Session
from pipeline.networks.tensors import Tensors
from pipeline.runtime import extra, texts
from pipeline.runtime.held import Held
from pipeline.spec import Model
from pipeline.tasks import Item

# What tasks read beside the networks: configurations, tokenizers, processors; no weights.
_BESIDE = ("*.json", "*.txt", "*.jinja", "*.model", "*.spm")


class Feeding:
    """How the networks of an artifact are fed.

    Args:
        held: the artifact.
        told: what it says of itself.
        task: the member of the family.
    """

    def __init__(self, held: Held, told: Description, task: ModuleType) -> None:
        self._held, self._task = held, task
        entry = {"name": held.where, "source": held.where, "format": "openvino", "task": told.task}
        self._model = Model.from_dict(entry | {"preprocess": told.to_dict().get("preprocess")})
        self._encoding = threading.Lock()  # transformers' tokenizers are not for several threads
        self._private = ExitStack()
        self.close = weakref.finalize(self, self._private.close)

    @property
    def by_tokens(self) -> bool:
        """Whether the tokenizer IR makes all that the networks are fed."""
        is_there = f"{ir.TOKENIZER}.xml" in self._held.files
        return is_there and getattr(self._task, "FED_TOKENS", False)

    def inputs(
        self, items: Sequence[Item], options: Any, networks: Mapping[str, Session]
    ) -> list[Tensors]:
        """What the networks are fed of each item, of shape (1, ...).

        Raises:
            DataError: an item cannot be read, or is too long.
            ToolError: a library is not here.
        """
        if self.by_tokens:
            return list(self._tokenizer([_texts(item, options) for item in items], options))
        length = _length(networks)
        shapes = {TOKENS: (shaping.OPEN, length)} if length else None
        model = self._model.model_copy(update={"shapes": shapes})
        with self._encoding, extra.wanted(self._model.task):
            made: list[Tensors] = self._task.encode(items, self._folder, model, options)
        return made

    def tokens(
        self, items: Sequence[Item], options: Any, networks: Mapping[str, Session]
    ) -> Tensors:
        """Texts as tokens by the tokenizer IR, in one batch."""
        made = list(self._tokenizer([_texts(item, options) for item in items], options))
        return self._batch(made, options, networks)

    def run(
        self, networks: Mapping[str, Session], inputs: Sequence[Tensors], options: Any
    ) -> tuple[list[Tensors], list[Tensors]]:
        """Inputs and outputs of each item.

        Texts go in all at once, and so do pictures of which a network takes several and no less;
        anything else goes in one by one.
        """
        lengths = {sample[TOKENS].shape for sample in inputs} if self.by_tokens else set()
        if len(lengths) > 1 and not (_length(networks) or texts.MASK in networks[ir.MODEL].inputs):
            lengths = set()  # what fills up cannot be told from a text
        if lengths:
            fed = self._batch(inputs, options, networks)
        elif _batch(networks) > 1 and _are_alike(inputs):
            fed = {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
        else:
            return list(inputs), [self._task.run(networks, one, options) for one in inputs]
        return _rows(fed), _rows(self._task.run(networks, fed, options))

    def _batch(
        self, samples: Sequence[Tensors], options: Any, networks: Mapping[str, Session]
    ) -> Tensors:
        """Tokens in one batch, as long as the longest, or as the network takes them."""
        padding, side = self._tokenizer.padding, options.padding_side
        return texts.batch(samples, padding, side, _length(networks))

    def read(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return self._detokenizer(tokens)

    @cached_property
    def _tokenizer(self) -> texts.Tokenizer:
        return texts.Tokenizer(self._held)

    @cached_property
    def _detokenizer(self) -> texts.Detokenizer:
        return texts.Detokenizer(self._held)

    @cached_property
    def _folder(self) -> Path:
        """The files beside the networks, for libraries that take paths only."""
        return Path(self._private.enter_context(self._held.copied(*_BESIDE)))


def _texts(item: Item, options: Any) -> tuple[str, ...]:
    """What the tokenizer takes at once: a pair, or a text with what goes before it."""
    return item.input if isinstance(item.input, tuple) else (options.prefix + item.input,)


def _length(networks: Mapping[str, Session]) -> int | None:
    """How many tokens of a text the network takes; None where any number will do."""
    takes = networks[ir.MODEL].takes.get(TOKENS, ()) if ir.MODEL in networks else ()
    return takes[1] if len(takes) > 1 and takes[1] > 0 else None


def _batch(networks: Mapping[str, Session]) -> int:
    """How many items the network takes at once and no less; 1 where any number will do."""
    takes = networks[ir.MODEL].takes.values() if ir.MODEL in networks else ()
    return max(1, min(((*sizes, 1)[0] for sizes in takes), default=1))


def _are_alike(samples: Sequence[Tensors]) -> bool:
    """Whether samples are pictures, and nothing else, of one size."""
    shapes = [{name: array.shape for name, array in sample.items()} for sample in samples]
    return shapes[0].keys() == {PIXELS} and all(shape == shapes[0] for shape in shapes)


def _rows(batch: Tensors) -> list[Tensors]:
    """A batch as samples of shape (1, ...)."""
    count = len(next(iter(batch.values())))
    return [{name: array[[place]] for name, array in batch.items()} for place in range(count)]
