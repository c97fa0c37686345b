"""Text to text: an encoder reads a text, a decoder makes another of it (T5, BART, Marian, Pegasus).

Data with labels is a table with the columns text, target: the perplexity is that of the targets'
tokens. Any other file holds texts without, one a line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.figure import Figure
from pipeline.networks import ir
from pipeline.networks.inputs import mask
from pipeline.networks.tensors import Array, Networks, Tensors
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _generation, _labelled, _texts
from pipeline.tasks._generation import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._generation import METRICS as METRICS
from pipeline.tasks._generation import Sizes as Sizes
from pipeline.tasks._generation import sized as sized
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._transformer import longest as longest

FED_TOKENS = True
RUNS_WITH = ()
_TARGET = "target_ids"


class Resolved(_generation.Resolved):
    """What decides what is generated beside the weights.

    Args:
        start_token_ids: that what is generated begins with.
    """

    start_token_ids: tuple[int, ...]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: it takes fewer tokens, or nothing says what its texts begin with.
    """
    found, notes = _generation.resolve(model, source)
    said = _generation.settings(source)
    start = _generation.start(model, said) + _generation.ids(said.get("forced_bos_token_id"))
    return Resolved.from_dict({**found.to_dict(), "start_token_ids": start}), notes


def items(path: Path) -> list[Item]:
    """Texts with what is to be made of them, or without.

    Raises:
        DataError: naming the first row that is none.
    """
    return _labelled.texts(path, "target")


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The tokens of each text and of its target, of shape (1, tokens)."""
    tokenizer = _texts.tokenizer_of(source, model)
    encoded: list[Tensors] = []
    for item, tokens in zip(items, _texts.encode(items, source, model, options), strict=True):
        target = {}
        if item.label is not None:
            cut = {"truncation": True, "max_length": options.max_length, "return_tensors": "np"}
            target = {_TARGET: tokenizer(text_target=item.label, **cut)["input_ids"]}
        encoded.append({**tokens, **target})
    return encoded


def begin(
    networks: Networks, inputs: Tensors, options: Resolved
) -> tuple[_generation.Step, _generation.Ids]:
    """The decoder, beside what the encoder made of a text, and the tokens that it begins with."""
    decoder = networks[ir.DECODER]
    return _generation.remembering(decoder, **_read(networks, inputs)), _start(inputs, options)


def _read(networks: Networks, inputs: Tensors) -> dict[str, Array]:
    """What the decoder is fed beside its own tokens."""
    return {
        "encoder_hidden_states": networks[ir.ENCODER](inputs)["last_hidden_state"],
        "encoder_attention_mask": mask(inputs),
    }


def _start(inputs: Tensors, options: Resolved) -> _generation.Ids:
    return np.array([options.start_token_ids] * len(mask(inputs)), np.int64)


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """What _generation.compared keeps, and `target_nll`; in a benchmark nothing of it."""
    made, decoder = _read(networks, inputs), networks[ir.DECODER]
    start = _start(inputs, options)
    step = _generation.remembering(decoder, **made)
    if _generation.MOST in inputs:
        return _generation.timed(step, start, inputs)
    choose = _generation.greedy(_generation.NEW_TOKENS, options.end_token_ids)
    kept = _generation.compared(step, start, choose, follow)
    if _TARGET in inputs:
        step = _generation.remembering(decoder, **made)
        kept["target_nll"] = _generation.nll(step, start[:, :1], inputs[_TARGET].astype(np.int64))
    return kept


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of what is generated and of the tokenizer."""
    yield from _generation.judge(trial, "target_nll")
    yield from _texts.tokenizer_agreement(trial)
