"""From token vectors to one vector: pooling, what lies behind it, normalization.

Once in NumPy, for what the original and a network without a head give; and once as operations of
OpenVINO, baked into a network. Both do what sentence-transformers does (`Pooling`, `Normalize`),
wherever a text is padded; a text without a token gives a finite vector.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.networks.tensors import Vector
from pipeline.tasks._layers import Layer as Layer
from pipeline.tasks._layers import graph_unit, named, ops, unit
from pipeline.tasks._modules import Pooling
from pipeline.tasks._repository import Resolved

if TYPE_CHECKING:
    import openvino as ov

_LOWEST = np.float32(-65504)  # of f16, to which constants may be narrowed


def pool(tokens: Vector, mask: Any, pooling: Pooling | Sequence[Pooling]) -> Vector:
    """One vector from token vectors of shape (tokens, hidden size); that long for each pooling."""
    real = tokens[np.asarray(mask) == 1]
    if not len(real):
        real = np.zeros((1, tokens.shape[-1]))
    places = np.arange(1, len(real) + 1)
    pooled: dict[Pooling, Callable[[], Any]] = {
        "cls": lambda: real[0],
        "last_token": lambda: real[-1],
        "max": lambda: real.max(axis=0),
        "mean": lambda: real.mean(axis=0),
        "mean_sqrt_len_tokens": lambda: real.sum(axis=0) / np.sqrt(len(real)),
        "weightedmean": lambda: places @ real / places.sum(),
    }
    return np.concatenate([pooled[one]() for one in _several(pooling)])


def head(vector: Vector, options: Resolved, layers: Sequence[Layer]) -> Vector:
    """What the modules behind pooling and normalization make of a pooled vector."""
    for layer in layers:
        vector = layer(vector)
    return unit(vector) if options.normalize else vector


def bake(network: "ov.Model", options: Resolved, layers: Sequence[Layer]) -> "ov.Model":
    """The network with `sentence_embedding`, of shape (batch, size), f32, as its only output.

    Its first output must be the token vectors, of shape (batch, tokens, hidden size).
    """
    tokens = network.output(0).get_node().input_value(0)
    mask = network.input("attention_mask").get_node().output(0)
    pooled = [_graph_pool(tokens, mask, one) for one in _several(options.pooling)]
    vector = pooled[0] if len(pooled) == 1 else named(ops().concat(pooled, 1), "pooling/Concat")
    for layer in layers:
        vector = layer.graph(vector)
    if options.normalize:
        vector = graph_unit(vector, "normalize")
    vector.output(0).get_tensor().set_names({"sentence_embedding"})
    result = named(ops().result(vector), "sentence_embedding")
    for former in network.get_results():
        network.remove_result(former)
    network.add_results([result])
    network.validate_nodes_and_infer_types()
    return network


def _several(pooling: Pooling | Sequence[Pooling]) -> Sequence[Any]:
    return (pooling,) if isinstance(pooling, str) else pooling


def _graph_pool(tokens: Any, mask: Any, pooling: Pooling) -> Any:
    op, along = ops(), np.array([1])
    real = op.convert(mask, "i64")
    if pooling in ("cls", "last_token"):
        length = op.gather(op.shape_of(mask), np.int64(1), np.int64(0))
        places = op.range(np.int64(0), length, np.int64(1), "i64")
        if pooling == "cls":
            places = op.subtract(op.subtract(length, np.int64(1)), places)
        place = op.reduce_max(op.multiply(real, places), along)
        if pooling == "cls":
            place = op.subtract(op.subtract(length, np.int64(1)), place)
        # Of no token at all Gather reads what happens to lie there.
        some = op.unsqueeze(op.greater(op.reduce_max(real, along), np.int64(0)), np.array([-1]))
        found = named(op.gather(tokens, place, np.int64(1), batch_dims=1), "pooling/Gather")
        return named(op.select(some, found, np.float32(0)), "pooling/Select")
    if pooling == "max":
        there = op.unsqueeze(op.not_equal(real, np.int64(0)), np.array([-1]))
        return named(op.reduce_max(op.select(there, tokens, _LOWEST), along), "pooling/ReduceMax")
    if pooling == "weightedmean":
        real = op.multiply(op.cum_sum(real, np.int64(1)), real)
    weights = op.unsqueeze(op.convert(real, "f32"), np.array([-1]))
    total = op.reduce_sum(op.multiply(tokens, weights), along)
    count = op.maximum(op.reduce_sum(weights, along), np.float32(1))
    if pooling == "mean_sqrt_len_tokens":
        count = op.sqrt(count)
    return named(op.divide(total, count), "pooling/Divide")
