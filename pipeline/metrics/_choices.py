"""What outputs choose: the place of the largest value along the last axis of the first output."""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import DataError
from pipeline.networks.tensors import Array, Tensors


def of(outputs: Sequence[Tensors]) -> list[Array]:
    """The choices in each sample, of the output's shape without its last axis."""
    return [_chosen(sample) for sample in outputs]


def one(sample: Tensors) -> int:
    """The choice of a sample that makes one.

    Raises:
        DataError: it makes several.
    """
    chosen = _chosen(sample)
    if chosen.size != 1:
        raise DataError(f"its output makes {chosen.size} choices: want one for each label")
    return int(chosen.reshape(()))


def _chosen(sample: Tensors) -> Array:
    name = min(sample)
    values = sample[name]
    if values.ndim == 0 or values.shape[-1] < 2:
        raise DataError(f"output {name!r} of shape {values.shape}: no choice between values")
    return np.asarray(np.argmax(values, axis=-1))
