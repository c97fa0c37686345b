"""Where inputs meet a network: what it wants is made of what there is, the rest is left out.

A tokenizer gives what its class lists and a graph takes what its author wrote; they may differ. A
BERT with the tokenizer of XLM-RoBERTa gets no token types, a DistilBERT with BERT's too many.
"""

from collections.abc import Callable, Collection

import numpy as np

from pipeline.errors import DataError
from pipeline.networks.tensors import Array, Tensors

TOKENS = "input_ids"
PIXELS = "pixel_values"
MOST = "new_tokens"  # of a benchmark's inputs, fed to no network: how many tokens are made


def fit(inputs: Tensors, wanted: Collection[str]) -> dict[str, Array]:
    """The inputs that a network wants, each as it is given or else as transformers would make it.

    A picture goes into the only input, whatever that is called.

    Args:
        inputs: what there is.
        wanted: the names of the network's inputs.

    Raises:
        DataError: an input is neither there nor one that can be made.
    """
    alone = len(wanted) == 1
    return {n: inputs[n] if n in inputs else made(n, inputs, alone=alone) for n in wanted}


def made(name: str, inputs: Tensors, *, alone: bool = False) -> Array:
    """An input that is not there, as transformers would make it of those that are.

    Args:
        name: the input's.
        inputs: what there is.
        alone: whether it is the network's only one.

    Raises:
        DataError: it cannot be made.
    """
    if alone and PIXELS in inputs:
        return inputs[PIXELS]
    if name not in MADE or TOKENS not in inputs:
        raise DataError(f"the network wants an input {name!r}: have {sorted(inputs)}")
    return MADE[name](inputs)


def mask(inputs: Tensors) -> Array:
    """Which tokens are real: 1, others 0; all are where nothing says otherwise."""
    return np.asarray(inputs.get("attention_mask", np.ones_like(inputs[TOKENS])))


def _positions(inputs: Tensors) -> Array:
    """The place of each token among the real ones, else 1, as transformers' decoders have it.

    A mask that is longer than the tokens covers those that went before, which are remembered.
    """
    real = mask(inputs)
    counted = np.cumsum(real, axis=-1, dtype=np.int64) - 1
    return np.where(real == 0, 1, counted)[:, -inputs[TOKENS].shape[1] :]


def _beams(inputs: Tensors) -> Array:
    """Which row of the batch each row goes on from (optimum-intel, openvino.genai): its own."""
    return np.arange(len(inputs[TOKENS]), dtype=np.int32)


MADE: dict[str, Callable[[Tensors], Array]] = {  # what can be made of the tokens
    "attention_mask": mask,
    "beam_idx": _beams,
    "position_ids": _positions,
    "token_type_ids": lambda inputs: np.zeros_like(inputs[TOKENS]),
}
