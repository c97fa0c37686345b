"""What sentence-transformers puts behind pooling, with weights: Dense, LayerNorm, Normalize.

Once in NumPy, and once as operations of OpenVINO.
"""

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.errors import ExportError
from pipeline.networks.tensors import Vector
from pipeline.tasks._modules import Module

EPSILON = 1e-12  # torch.nn.functional.normalize
_LAYER_NORM_EPSILON = 1e-5  # torch.nn.LayerNorm
# What a kind's weights file must hold.
_WEIGHTS = {"Dense": "linear.weight", "LayerNorm": "norm.weight"}


class Layer:
    """A module behind pooling with its weights.

    Raises:
        ExportError: its weights cannot be read, or its activation is not supported.
    """

    def __init__(self, module: Module, allow: Sequence[str]) -> None:
        self.module = module
        if module.activation not in _ACTIVATIONS:
            raise ExportError(
                f"{module.folder.name}: activation {module.activation!r}: have "
                f"{sorted(_ACTIVATIONS)}"
            )
        self.weights = _load(module, allow) if module.kind in _WEIGHTS else {}

    def __call__(self, vector: Vector) -> Vector:
        """What it makes of a vector."""
        made: Vector = _KINDS[self.module.kind][0](self, vector)
        return made

    def graph(self, vectors: Any) -> Any:
        """The operations that do the same to vectors of shape (batch, size)."""
        return _KINDS[self.module.kind][1](self, vectors)


def unit(vector: Vector) -> Vector:
    """The vector at length 1; one of zeros stays."""
    made: Vector = vector / max(float(np.linalg.norm(vector)), EPSILON)
    return made


def graph_unit(vectors: Any, name: str) -> Any:
    """The same of vectors of shape (batch, size)."""
    return named(ops().normalize_l2(vectors, np.array([1]), EPSILON, "max"), f"{name}/NormalizeL2")


def ops() -> Any:
    """The operations of OpenVINO."""
    import openvino.opset13 as opset

    return opset


def named(operation: Any, name: str) -> Any:
    """The operation under a name of its own: what has none is numbered by the canonical writer."""
    operation.set_friendly_name(name)
    return operation


def _dense(layer: Layer, vector: Vector) -> Vector:
    weights = layer.weights
    made = weights["linear.weight"].astype(np.float64) @ vector + weights.get("linear.bias", 0)
    made = _ACTIVATIONS[layer.module.activation][0](made)
    if not layer.module.residual:
        return np.asarray(made)
    projection = weights.get("residual.weight")
    return np.asarray(made + (vector if projection is None else projection @ vector))


def _graph_dense(layer: Layer, vectors: Any) -> Any:
    op, name = ops(), layer.module.folder.name

    def times(vectors: Any, part: str) -> Any:
        weight = named(op.constant(layer.weights[f"{part}.weight"]), f"{name}.{part}.weight")
        return named(op.matmul(vectors, weight, False, True), f"{name}/{part}/MatMul")

    made = times(vectors, "linear")
    if "linear.bias" in layer.weights:
        bias = named(op.constant(layer.weights["linear.bias"]), f"{name}.linear.bias")
        made = named(op.add(made, bias), f"{name}/linear/Add")
    if activate := _ACTIVATIONS[layer.module.activation][1]:
        made = named(activate(made), f"{name}/activation")
    if layer.module.residual:
        skipped = times(vectors, "residual") if "residual.weight" in layer.weights else vectors
        made = named(op.add(made, skipped), f"{name}/residual/Add")
    return made


def _layer_norm(layer: Layer, vector: Vector) -> Vector:
    centred = (vector - vector.mean()) / np.sqrt(vector.var() + _LAYER_NORM_EPSILON)
    return np.asarray(centred * layer.weights["norm.weight"] + layer.weights.get("norm.bias", 0))


def _graph_layer_norm(layer: Layer, vectors: Any) -> Any:
    op, name = ops(), layer.module.folder.name
    made = op.mvn(vectors, np.array([1]), True, _LAYER_NORM_EPSILON, "inside_sqrt")
    made = named(made, f"{name}/MVN")
    weight = named(op.constant(layer.weights["norm.weight"]), f"{name}.norm.weight")
    made = named(op.multiply(made, weight), f"{name}/Multiply")
    bias = named(op.constant(layer.weights["norm.bias"]), f"{name}.norm.bias")
    return named(op.add(made, bias), f"{name}/Add")


def _gelu(x: Vector) -> Vector:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


# What torch.nn calls an activation: in NumPy, and as an operation.
_ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any] | None]] = {
    "GELU": (_gelu, lambda x: ops().gelu(x, "erf")),
    "Identity": (lambda x: x, None),
    "ReLU": (lambda x: np.maximum(x, 0), lambda x: ops().relu(x)),
    "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: ops().sigmoid(x)),
    "SiLU": (lambda x: x / (1 + np.exp(-x)), lambda x: ops().swish(x)),
    "Tanh": (np.tanh, lambda x: ops().tanh(x)),
}
# What a kind of module does, in the same two ways.
_KINDS: dict[str, tuple[Callable[[Layer, Vector], Vector], Callable[[Layer, Any], Any]]] = {
    "Dense": (_dense, _graph_dense),
    "LayerNorm": (_layer_norm, _graph_layer_norm),
    "Normalize": (lambda _, x: unit(x), lambda layer, x: graph_unit(x, layer.module.folder.name)),
}


def _load(module: Module, allow: Sequence[str]) -> dict[str, Any]:
    """The module's weights as f32, from safetensors, else from a pickle if that is allowed."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    safe, pickled = module.folder / "model.safetensors", module.folder / "pytorch_model.bin"
    name, wanted = module.folder.name, _WEIGHTS[module.kind]
    try:
        if safe.exists():
            weights = load_file(safe)
        elif "pickle" in allow and pickled.exists():
            weights = torch.load(pickled, map_location="cpu", weights_only=True)
        else:
            raise ExportError(f"{name}: no model.safetensors: want the {module.kind} weights")
    except (OSError, RuntimeError, SafetensorError, pickle.UnpicklingError) as e:
        raise ExportError(f"{name}: its weights cannot be read: {str(e).splitlines()[0]}") from e
    if wanted not in weights:
        raise ExportError(f"{name}: {sorted(weights)}: want {wanted}")
    return {name: tensor.float().numpy() for name, tensor in weights.items()}
