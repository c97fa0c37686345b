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

    def __init__(self, dense: Dense, allow: Sequence[str]) -> None:
        self.name = dense.folder.name
        self.activation = dense.activation
        if self.activation not in _ACTIVATIONS:
            raise ExportError(
                f"{self.name}: activation {self.activation!r}: have {sorted(_ACTIVATIONS)}"
            )
        weights = _load(dense, allow)
        self.weight, self.bias = weights["linear.weight"], weights.get("linear.bias")

    def __call__(self, vector: Vector) -> Vector:
        made: Vector = self.weight.astype(np.float64) @ vector
        if self.bias is not None:
            made = made + self.bias
        activated: Vector = _ACTIVATIONS[self.activation][0](made)
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
        unit = _ops().normalize_l2(vector, np.array([1]), _EPSILON, "max")
        vector = _named(unit, "normalize/NormalizeL2")
    vector.output(0).get_tensor().set_names({"sentence_embedding"})
    result = _named(_ops().result(vector), "sentence_embedding")
    for former in network.get_results():
        network.remove_result(former)
    network.add_results([result])
    network.validate_nodes_and_infer_types()
    return network


def _graph_pool(tokens: Any, mask: Any, pooling: Pooling) -> Any:
    op = _ops()
    if pooling == "cls":
        return _named(op.gather(tokens, np.int64(0), np.int64(1)), "pooling/Gather")
    if pooling == "last_token":
        length = op.gather(op.shape_of(mask), np.int64(1), np.int64(0))
        places = op.range(np.int64(0), length, np.int64(1), "i64")
        last = op.reduce_max(op.multiply(op.convert(mask, "i64"), places), np.array([1]))
        gathered = op.gather(tokens, last, np.int64(1), batch_dims=1)
        return _named(gathered, "pooling/Gather")
    weights = op.unsqueeze(op.convert(mask, "f32"), np.array([-1]))
    if pooling == "max":
        absent = op.multiply(op.subtract(weights, np.float32(1)), np.float32(1e9))
        return _named(op.reduce_max(op.add(tokens, absent), np.array([1])), "pooling/ReduceMax")
    total = op.reduce_sum(op.multiply(tokens, weights), np.array([1]))
    count = op.maximum(op.reduce_sum(weights, np.array([1])), np.float32(_TINY))
    return _named(op.divide(total, count), "pooling/Divide")


def _graph_layer(vector: Any, layer: Layer) -> Any:
    op, name = _ops(), layer.name
    weight = _named(op.constant(layer.weight), f"{name}.linear.weight")
    vector = _named(op.matmul(vector, weight, False, True), f"{name}/linear/MatMul")
    if layer.bias is not None:
        bias = _named(op.constant(layer.bias), f"{name}.linear.bias")
        vector = _named(op.add(vector, bias), f"{name}/linear/Add")
    activate = _ACTIVATIONS[layer.activation][1]
    return vector if activate is None else _named(activate(vector), f"{name}/activation")


def _named(operation: Any, name: str) -> Any:
    """The operation under a name of its own: what has none is numbered by the canonical writer."""
    operation.set_friendly_name(name)
    return operation


def _gelu(x: Vector) -> Vector:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


# What torch.nn calls an activation: in NumPy, and as an operation.
_ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any] | None]] = {
    "GELU": (_gelu, lambda x: _ops().gelu(x, "erf")),
    "Identity": (lambda x: x, None),
    "ReLU": (lambda x: np.maximum(x, 0), lambda x: _ops().relu(x)),
    "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: _ops().sigmoid(x)),
    "Tanh": (np.tanh, lambda x: _ops().tanh(x)),
}


def _load(dense: Dense, allow: Sequence[str]) -> dict[str, Any]:
    """The module's weights as f32, from safetensors, else from a pickle if that is allowed."""
    import torch
    from safetensors.torch import load_file

    safe, pickled = dense.folder / "model.safetensors", dense.folder / "pytorch_model.bin"
    if safe.exists():
        weights = load_file(safe)
    elif "pickle" in allow and pickled.exists():
        weights = torch.load(pickled, map_location="cpu", weights_only=True)
    else:
        raise ExportError(f"{dense.folder.name}: no model.safetensors: want the Dense weights")
    if "linear.weight" not in weights:
        raise ExportError(f"{dense.folder.name}: {sorted(weights)}: want linear.weight")
    return {name: tensor.float().numpy() for name, tensor in weights.items()}


def _ops() -> Any:
    import openvino.opset13 as ops

    return ops
