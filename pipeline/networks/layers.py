"""What quantization did to the layers of a network, seen beside the network that it was made of.

The canonical writer keeps the names of operations. So what the quantized network has under names
that the original lacks was put in by quantization, and a layer is an operation of both that it
feeds. Any layers can be restored: the original's operation takes the quantized one's place, and is
fed what was there before quantization, while all other layers stay quantized.
"""

from collections.abc import Collection, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import openvino as ov

# What only hands values on: NNCF quantizes before it what is computed with behind it
# (nncf/openvino/graph/metatypes/groups.py, QUANTIZE_AGNOSTIC_OPERATIONS), and joins too.
_MOVES = {
    "BatchToSpace", "Broadcast", "Concat", "Convert", "ConvertLike", "DepthToSpace", "Gather",
    "GatherElements", "GatherND", "MaxPool", "Pad", "ReduceMax", "Reshape", "ScatterElementsUpdate",
    "ScatterNDUpdate", "ScatterUpdate", "ShuffleChannels", "Slice", "SpaceToBatch", "SpaceToDepth",
    "Split", "Squeeze", "StridedSlice", "Tile", "Transpose", "Unsqueeze", "VariadicSplit",
}  # fmt: skip
_NO_LAYERS = {"Assign", "Constant", "Parameter", "ReadValue", "Result"}

Point = tuple[str, int]  # an output: the operation's name, and which of its outputs


class Layer(NamedTuple):
    """An operation that quantization changed.

    Args:
        fed: where what it computes with comes from, weights aside.
        gives: where it, with its bias, can be seen.
        weight_bytes: of its weights as floats of 32 bits.
    """

    name: str
    type: str
    fed: tuple[Point, ...]
    gives: Point
    weight_bytes: int


class Layers:
    """The layers of a quantized network beside its original; neither is changed.

    Args:
        original: at f32.
        quantized: what was made of it, and written by the canonical writer.

    Attributes:
        found: in topological order.
    """

    def __init__(self, original: "ov.Model", quantized: "ov.Model") -> None:
        self._original, self._quantized = original, quantized
        self._own = _named(original)
        self._constant, self._folded = _constants(original), _constants(quantized)
        self.found = list(self._find())

    def restored(self, names: Collection[str]) -> "ov.Model":
        """The quantized network with some layers as they were, their biases too."""
        network, original = self._quantized.clone(), _named(self._original.clone())
        for operation in network.get_ordered_ops():
            if operation.get_friendly_name() not in names:
                continue
            biases = list(self._biases(operation))
            new = self._moved(operation, original)
            for old, output in zip(operation.outputs(), new.outputs(), strict=True):
                old.replace(output)
            for bias, index in biases:
                if bias.get_friendly_name() in original:
                    own = original[bias.get_friendly_name()].input_value(index)
                    bias.input(index).replace_source_output(own)
                else:  # one that NNCF put in to correct what quantization shifts
                    bias.output(0).replace(new.output(0))
        network.validate_nodes_and_infer_types()
        return network

    def _find(self) -> Iterator[Layer]:
        for operation in self._quantized.get_ordered_ops():
            kind, own = operation.get_type_name(), self._own.get(operation.get_friendly_name())
            if own is None or own.get_type_name() != kind or kind in _NO_LAYERS:
                continue
            inputs = [port.get_source_output() for port in operation.inputs()]
            weights = [value for value in inputs if _name(value) in self._folded]
            others = [value for value in inputs if _name(value) not in self._folded]
            if not any(map(self._is_touched, weights if kind in _MOVES else inputs)):
                continue
            seen = next((bias for bias, _ in self._biases(operation)), operation)
            if seen.get_friendly_name() not in self._own:
                seen = operation
            constants = (v for v in map(_source, own.inputs()) if _name(v) in self._constant)
            yield Layer(
                operation.get_friendly_name(),
                kind,
                tuple(point for value in others for point in self._sources(value)),
                (seen.get_friendly_name(), 0),
                sum(4 * prod(value.get_shape()) for value in constants),
            )

    def _is_touched(self, value: "ov.Output") -> bool:
        """Whether quantization put something between a value and where it was computed."""
        node = value.get_node()
        if _name(value) not in self._own:
            return str(node.get_type_name()) != "Constant"
        return node.get_type_name() in _MOVES and any(
            self._is_touched(_source(port)) for port in node.inputs()
        )

    def _sources(self, value: "ov.Output") -> Iterator[Point]:
        """Where a value was computed."""
        node = value.get_node()
        if _name(value) in self._folded:
            return
        if _name(value) not in self._own:
            yield from self._sources(node.input_value(0))
        elif node.get_type_name() in _MOVES:
            for port in node.inputs():
                yield from self._sources(_source(port))
        elif node.get_type_name() not in _NO_LAYERS:
            yield _name(value), value.get_index()

    def _bare(self, value: "ov.Output", original: Mapping[str, "ov.Node"]) -> "ov.Output":
        """A value as it would be without what quantization put in since it was computed."""
        node = value.get_node()
        if _name(value) not in original and node.get_input_size():
            return self._bare(node.input_value(0), original)
        if node.get_type_name() in _MOVES:
            return self._moved(node, original).output(value.get_index())
        return value

    def _moved(self, node: "ov.Node", original: Mapping[str, "ov.Node"]) -> "ov.Node":
        """The original's operation with its own constants, fed what the quantized one is fed."""
        own = original[node.get_friendly_name()]
        for theirs, ours in zip(node.inputs(), own.inputs(), strict=True):
            if _name(_source(ours)) not in self._constant:
                ours.replace_source_output(self._bare(_source(theirs), original))
        return own

    def _biases(self, operation: "ov.Node") -> Iterator[tuple["ov.Node", int]]:
        """The additions of a constant to what a layer gives, and which input that is."""
        for port in operation.output(0).get_target_inputs():
            node, other = port.get_node(), 1 - port.get_index()
            if node.get_type_name() == "Add" and _name(node.input_value(other)) in self._folded:
                yield node, other


def _source(port: "ov.Input") -> "ov.Output":
    return port.get_source_output()


def _name(value: "ov.Output") -> str:
    return str(value.get_node().get_friendly_name())


def _named(model: "ov.Model") -> dict[str, "ov.Node"]:
    return {node.get_friendly_name(): node for node in model.get_ordered_ops()}


def _constants(model: "ov.Model") -> set[str]:
    """The operations that always give the same."""
    found: set[str] = set()
    for node in model.get_ordered_ops():
        inputs = node.inputs()
        fixed = inputs and all(_name(_source(port)) in found for port in inputs)
        if node.get_type_name() == "Constant" or (fixed and node.get_type_name() != "ReadValue"):
            found.add(node.get_friendly_name())
    return found
