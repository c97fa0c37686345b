"""From token vectors to one vector: pooling, Dense modules, normalization.

Once in NumPy, for what the original and a network without a head give; and once as operations of
OpenVINO, baked into a network. Both do what sentence-transformers does (`Pooling`, `Dense`,
`Normalize`).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ExportError
from pipeline.networks.tensors import Vector
from pipeline.tasks._repository import Dense, Pooling, Resolved

if TYPE_CHECKING:
    import openvino as ov

_TINY = 1e-9  # sentence-transformers' guard of an empty mask
_EPSILON = 1e-12  # torch.nn.functional.normalize


def pool(tokens: Vector, mask: Any, pooling: Pooling) -> Vector:
    """One vector of shape (hidden size,) from token vectors of shape (tokens, hidden size)."""
    real = tokens[np.asarray(mask) == 1]
    pooled: dict[Pooling, Callable[[], Vector]] = {
        "cls": lambda: tokens[0],
        "last_token": lambda: real[-1],
        "max": lambda: real.max(axis=0),
        "mean": lambda: real.mean(axis=0),
    }
    return pooled[pooling]()


def head(vector: Vector, options: Resolved, layers: Sequence["Layer"]) -> Vector:
    """What Dense modules and normalization make of a pooled vector."""
    for layer in layers:
        vector = layer(vector)
    if options.normalize:
        vector = vector / max(float(np.linalg.norm(vector)), _EPSILON)
    return vector


class Layer:
    """A Dense module with its weights: `activation(weight @ vector + bias)`.

    Raises:
        ExportError: its weights cannot be read, or its activation is not supported.
    """

    def __init__(self, dense: Dense) -> None:
        self.name = dense.folder.name
        self.activation = dense.activation
        if self.activation not in _ACTIVATIONS:
            raise ExportError(
                f"{self.name}: activation {self.activation!r}: have {sorted(_ACTIVATIONS)}"
            )
        weights = _load(dense)
        self.weight, self.bias = weights["linear.weight"], weights.get("linear.bias")

    def __call__(self, vector: Vector) -> Vector:
        made: Vector = self.weight.astype(np.float64) @ vector
        if self.bias is not None:
            made = made + self.bias
        activated: Vector = _ACTIVATIONS[self.activation](made)
        return activated


def bake(network: "ov.Model", options: Resolved, layers: Sequence[Layer]) -> "ov.Model":
    """The network with `sentence_embedding`, of shape (batch, size), f32, as its only output.

    Its first output must be the token vectors, of shape (batch, tokens, hidden size).
    """
    tokens = network.output(0).get_node().input_value(0)
    mask = network.input("attention_mask").get_node().output(0)
    vector = _graph_pool(tokens, mask, options.pooling)
    for layer in layers:
        vector = _graph_layer(vector, layer)
    if options.normalize:
        vector = _ops().normalize_l2(vector, np.array([1]), _EPSILON, "max")
        vector.set_friendly_name("normalize/NormalizeL2")
    vector.output(0).get_tensor().set_names({"sentence_embedding"})
    result = _ops().result(vector)
    result.set_friendly_name("sentence_embedding")
    for former in network.get_results():
        network.remove_result(former)
    network.add_results([result])
    network.validate_nodes_and_infer_types()
    return network


def _graph_pool(tokens: Any, mask: Any, pooling: Pooling) -> Any:
    op = _ops()
    real = op.convert(mask, "f32", name="pooling/mask")
    if pooling == "cls":
        return op.gather(tokens, np.int64(0), np.int64(1), name="pooling/first")
    if pooling == "last_token":
        length = op.gather(op.shape_of(mask), np.int64(1), np.int64(0), name="pooling/length")
        places = op.range(np.int64(0), length, np.int64(1), "i64", name="pooling/places")
        place = op.multiply(op.convert(mask, "i64"), places, name="pooling/real_places")
        last = op.reduce_max(place, np.array([1]), keep_dims=False, name="pooling/last_place")
        return op.gather(tokens, last, np.int64(1), batch_dims=1, name="pooling/last")
    weights = op.unsqueeze(real, np.array([-1]), name="pooling/weights")
    if pooling == "max":
        absent = op.multiply(op.subtract(weights, np.float32(1)), np.float32(1e9))
        return op.reduce_max(op.add(tokens, absent), np.array([1]), name="pooling/max")
    total = op.reduce_sum(op.multiply(tokens, weights), np.array([1]), name="pooling/sum")
    count = op.maximum(op.reduce_sum(weights, np.array([1])), np.float32(_TINY))
    return op.divide(total, count, name="pooling/mean")


def _graph_layer(vector: Any, layer: Layer) -> Any:
    op, name = _ops(), layer.name
    weight = op.constant(layer.weight.astype(np.float32), name=f"{name}.linear.weight")
    vector = op.matmul(vector, weight, False, True, name=f"{name}/linear/MatMul")
    if layer.bias is not None:
        bias = op.constant(layer.bias.astype(np.float32), name=f"{name}.linear.bias")
        vector = op.add(vector, bias, name=f"{name}/linear/Add")
    activate = {"Tanh": op.tanh, "ReLU": op.relu, "Sigmoid": op.sigmoid, "GELU": op.gelu}
    if layer.activation == "Identity":
        return vector
    if layer.activation == "GELU":
        return op.gelu(vector, "erf", name=f"{name}/activation")
    return activate[layer.activation](vector, name=f"{name}/activation")


def _gelu(x: Vector) -> Vector:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


_ACTIVATIONS: dict[str, Any] = {
    "GELU": _gelu,
    "Identity": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
}


def _load(dense: Dense) -> dict[str, Any]:
    """The module's weights as f32, from safetensors, or from a pickle where fetch brought one."""
    import torch
    from safetensors.torch import load_file

    safe, pickled = dense.folder / "model.safetensors", dense.folder / "pytorch_model.bin"
    if safe.exists():
        weights = load_file(safe)
    elif pickled.exists():
        weights = torch.load(pickled, map_location="cpu", weights_only=True)
    else:
        raise ExportError(f"{dense.folder.name}: no model.safetensors: want the Dense weights")
    if "linear.weight" not in weights:
        raise ExportError(f"{dense.folder.name}: {sorted(weights)}: want linear.weight")
    return {name: tensor.float().numpy() for name, tensor in weights.items()}


def _ops() -> Any:
    import openvino.opset13 as ops

    return ops
