"""Arrays without meaning, made of a seed, as inputs are declared to take them."""

from collections.abc import Mapping

import numpy as np

from pipeline.networks.tensors import Array
from pipeline.spec import Declared

OPEN = 64  # elements of an axis that is open, but for the first, which is a batch
TYPES = {
    "boolean": np.bool_, "f16": np.float16, "f32": np.float32, "f64": np.float64, "i8": np.int8,
    "i16": np.int16, "i32": np.int32, "i64": np.int64, "u8": np.uint8, "u16": np.uint16,
    "u32": np.uint32, "u64": np.uint64,
}  # fmt: skip


def made(
    declared: Mapping[str, Declared], seed: int, batch: int = 1, size: int = OPEN
) -> dict[str, Array]:
    """An array for each input; open axes have this size, the first of them is the batch."""
    drawn = np.random.default_rng(seed)
    return {name: _drawn(one, shape(one, batch, size), drawn) for name, one in declared.items()}


def shape(declared: Declared, batch: int = 1, size: int = OPEN) -> tuple[int, ...]:
    """The shape of such an array."""
    opened = (batch, *(size for _ in declared.shape[1:]))
    return tuple(
        own if axis == -1 else axis for axis, own in zip(declared.shape, opened, strict=False)
    )


def _drawn(declared: Declared, shape: tuple[int, ...], drawn: np.random.Generator) -> Array:
    kind = np.dtype(TYPES[declared.type])
    low, high = declared.low, declared.high
    if kind.kind == "f":
        if low is None and high is None:
            return np.asarray(drawn.standard_normal(shape)).astype(kind)
        return np.asarray(drawn.uniform(low or 0.0, 1.0 if high is None else high, shape), kind)
    usual = 255 if declared.type == "u8" else 1
    most = usual if high is None else int(high)
    return np.asarray(drawn.integers(int(low or 0), most, shape, endpoint=True)).astype(kind)
