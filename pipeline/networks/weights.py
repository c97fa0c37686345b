"""The weights of a network: which they are, of which element type, and how they change type.

Weights are the constants that feed what multiplies by them or looks rows up in them: MatMul,
convolutions, Gather, recurrent operations, in the bodies of loops and branches too. Scales, zero
points, shapes and indices are none.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import PrecisionError
from pipeline.networks import canonical
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

SHARE = 0.9  # of the weights' bytes, which must be of the promised type
MAX_VANISHED = 0.001  # of the values that are not zero, which may become zero
ROUNDING = 2.0**-11  # of a tensor's largest value, what fp16 rounds that by: less is no loss

# The inputs of an operation that may be weights.
_INPUTS = {
    "MatMul": (0, 1),
    "Convolution": (1,),
    "GroupConvolution": (1,),
    "ConvolutionBackpropData": (1,),
    "GroupConvolutionBackpropData": (1,),
    "DeformableConvolution": (2,),
    "Gather": (0,),
    "EmbeddingBagPackedSum": (0,),
    "EmbeddingBagOffsetsSum": (0,),
    "EmbeddingBagOffsets": (0,),
    "EmbeddingBagPacked": (0,),
    "EmbeddingSegmentsSum": (0,),
    "LSTMCell": (3, 4),
    "GRUCell": (2, 3),
    "RNNCell": (2, 3),
    "LSTMSequence": (4, 5),
    "GRUSequence": (3, 4),
    "RNNSequence": (3, 4),
}
# Of these, those that read rows of a weight and do not multiply by it.
TABLES = {kind for kind in _INPUTS if kind.startswith(("Gather", "Embedding"))}
# What may lie between a weight and its use; the weight is its first input.
_BETWEEN = {
    "Convert", "FakeConvert", "FakeQuantize", "Multiply", "Reshape", "Squeeze", "Subtract",
    "Transpose", "Unsqueeze",
}  # fmt: skip
_FEW_BITS = ("i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2")
_INDEXES = ("boolean", "i16", "i32", "i64", "u16", "u32", "u64", "string")


class IgnoredScope(Record):
    """Operations that a recipe leaves as they are, as nncf.IgnoredScope names them."""

    names: list[str] = []
    patterns: list[str] = []
    types: list[str] = []

    def holds(self, operation: "ov.Node") -> bool:
        """Whether it names the operation."""
        name = operation.get_friendly_name()
        return (
            name in self.names
            or operation.get_type_name() in self.types
            or any(re.match(pattern, name) for pattern in self.patterns)  # as nncf/scopes.py does
        )

    def within(self, network: "ov.Model") -> "IgnoredScope":
        """What of it names an operation of a network."""
        operations = network.get_ops()
        names = {operation.get_friendly_name() for operation in operations}
        types = {operation.get_type_name() for operation in operations}
        matched = [p for p in self.patterns if any(re.match(p, name) for name in names)]
        return IgnoredScope(
            names=[name for name in self.names if name in names],
            patterns=matched,
            types=[kind for kind in self.types if kind in types],
        )


NOTHING = IgnoredScope()


class Narrowed(NamedTuple):
    """How many values a narrower type cannot hold.

    Args:
        values: how many there are.
        overflowed: how many would become infinite.
        vanished: how many would become zero that are more than what the largest of their tensor is
            rounded by.
    """

    values: int
    overflowed: int
    vanished: int


def weights(network: "ov.Model", ignored: IgnoredScope = NOTHING) -> list["ov.Node"]:
    """The constants that are weights, each once, in topological order of their first use."""
    return [constant for _, constant in uses(network, ignored)]


def uses(network: "ov.Model", ignored: IgnoredScope = NOTHING) -> list[tuple["ov.Node", "ov.Node"]]:
    """The first use of each weight: the operation and the constant, in topological order."""
    found: dict[int, tuple[ov.Node, ov.Node]] = {}
    for operation, outer in _operations(network):
        if ignored.holds(operation):
            continue
        for index in _INPUTS.get(operation.get_type_name(), ()):
            constant = _constant(operation.input_value(index).get_node(), outer)
            if constant is not None and element_type(constant) not in _INDEXES:
                found.setdefault(constant.get_instance_id(), (operation, constant))
    return list(found.values())


def sizes(network: "ov.Model", ignored: IgnoredScope = NOTHING) -> dict[str, int]:
    """Bytes of the weights by element type (`f32`, `i8` ...)."""
    counted: dict[str, int] = {}
    for constant in weights(network, ignored):
        kind = element_type(constant)
        counted[kind] = counted.get(kind, 0) + constant.get_byte_size()
    return counted


def hold(
    network: "ov.Model",
    promised: Collection[str],
    precision: str,
    ignored: IgnoredScope = NOTHING,
) -> None:
    """Hold a network to a precision's name, as `demand` does.

    Raises:
        PrecisionError: the weights are not of the promised types.
    """
    label = f"precision {precision}: {network.get_friendly_name()}"
    demand(sizes(network, ignored), promised, label)


def demand(counted: Mapping[str, int], promised: Collection[str], label: str) -> None:
    """Hold a network to its label: nearly all bytes of its weights are of the promised type.

    Raises:
        PrecisionError: they are not; with the bytes of each type.
    """
    total = sum(counted.values())
    kept = sum(counted.get(kind, 0) for kind in promised)
    if not total or kept < SHARE * total:
        have = ", ".join(f"{kind} {size}" for kind, size in sorted(counted.items())) or "none"
        raise PrecisionError(
            f"{label}: {kept} of the weights' {total} bytes are {' or '.join(sorted(promised))}: "
            f"want {SHARE:g} of them; have {have}"
        )


def is_quantized(network: "ov.Model") -> bool:
    """Whether a network arrived quantized: with a FakeQuantize, or weights mostly of few bits.

    So do ONNX of QuantizeLinear and DequantizeLinear, and TFLite of int8.
    """
    if any(op.get_type_name() == "FakeQuantize" for op, _ in _operations(network)):
        return True
    counted = sizes(network)
    few = sum(counted.get(kind, 0) for kind in _FEW_BITS)
    return 2 * few > sum(counted.values())


def widen(network: "ov.Model") -> None:
    """Make every constant of 16-bit floats one of f32, with the same values, in place."""
    import openvino.opset13 as ops

    for operation, _ in list(_operations(network)):
        if operation.get_type_name() != "Constant" or element_type(operation) not in (
            "f16",
            "bf16",
        ):
            continue
        wide = ops.constant(_values(operation))
        wide.set_friendly_name(operation.get_friendly_name())
        for user in operation.output(0).get_target_inputs():
            node = user.get_node()
            if node.get_type_name() == "Convert" and node.get_element_type().to_string() == "f32":
                node.output(0).replace(wide.output(0))
            elif node.get_type_name() != "Result":
                user.replace_source_output(ops.convert(wide, element_type(operation)).output(0))
    network.validate_nodes_and_infer_types()


def narrowed(network: "ov.Model") -> Narrowed:
    """What f16 cannot hold of a network's f32 constants, biases too, that have several values.

    A single value that does not fit stays f32 in openvino.save_model; of several it clamps some.

    Raises:
        PrecisionError: a value overflows, or more than 0.1 % of those that are not zero vanish.
            What is smaller than the rounding of its tensor's largest value is no loss: trained
            convolutions hold many such (rapidocr's, 1e-10 beside 1).
    """
    values = nonzero = 0
    overflowed: Counter[str] = Counter()
    vanished: Counter[str] = Counter()
    for operation, _ in _operations(network):
        if operation.get_type_name() != "Constant" or element_type(operation) != "f32":
            continue
        wide = _values(operation)
        if wide.size == 1:
            continue
        with np.errstate(over="ignore", under="ignore"):
            narrow = wide.astype(np.float16)
        over = np.isinf(narrow) & np.isfinite(wide) & (not _is_mask(wide))
        gone = (narrow == 0) & (np.abs(wide) > ROUNDING * np.abs(wide).max())
        name = operation.get_friendly_name()
        values, nonzero = values + wide.size, nonzero + int(np.count_nonzero(wide))
        overflowed[name] += int(np.count_nonzero(over))
        vanished[name] += int(np.count_nonzero(gone))
    if overflowed.total():
        raise PrecisionError(
            f"precision fp16: {overflowed.total()} of {values} values overflow, most in "
            f"{_most(overflowed)}: fp16 ends at 65504; want fp32 or bf16"
        )
    if vanished.total() > MAX_VANISHED * nonzero:
        raise PrecisionError(
            f"precision fp16: {vanished.total()} of {nonzero} values that are not zero would "
            f"become zero, most in {_most(vanished)}: want at most {MAX_VANISHED:.1%}; "
            "want fp32 or bf16"
        )
    return Narrowed(values, overflowed.total(), vanished.total())


def _is_mask(values: Any) -> bool:
    """Whether values are added to attention scores to hide some: 0, or one that means -infinity.

    How large that one is does not matter, as long as it is large.
    """
    lowest = values.min()
    return bool(lowest < 0 and np.isin(values, (0, lowest)).all())


def _most(counts: Counter[str]) -> str:
    """The name with the highest count, and that."""
    name, count = counts.most_common(1)[0]
    return f"{name!r} ({count})"


class Outer(NamedTuple):
    """What is around a body: what feeds each of its Parameters, and what is around that.

    Args:
        feeds: node outside by the Parameter's name; what the body changes from one iteration to the
            next has none, because it is a state and no weight.
        outer: what is around the operation that holds the body, if that lies in a body itself.
    """

    feeds: Mapping[str, "ov.Node"]
    outer: "Outer | None"


def _operations(
    network: "ov.Model", outer: Outer | None = None
) -> Iterator[tuple["ov.Node", Outer | None]]:
    """Every operation, bodies included, and what is around the body in which it lies."""
    for operation in network.get_ordered_ops():
        yield operation, outer
        for body, feeds in _bodies(operation):
            yield from _operations(body, Outer(feeds, outer))


def _bodies(operation: "ov.Node") -> Iterator[tuple["ov.Model", dict[str, "ov.Node"]]]:
    """The bodies of an operation, each with what feeds its Parameters."""
    for index, body in enumerate(canonical.bodies(operation)):
        branch = (index,) if operation.get_type_name() == "If" else ()
        yield body, _feeds(operation, body, operation.get_input_descriptions(*branch))


def _feeds(operation: "ov.Node", body: "ov.Model", descriptions: Any) -> dict[str, "ov.Node"]:
    parameters = body.get_parameters()
    return {
        parameters[told.body_parameter_index].get_friendly_name(): operation.input_value(
            told.input_index
        ).get_node()
        for told in descriptions
        if type(told).__name__ != "MergedInputDescription"
    }


def _constant(node: "ov.Node", outer: Outer | None) -> "ov.Node | None":
    """The constant at the other end of what may lie between a weight and its use."""
    while True:
        kind = node.get_type_name()
        if kind == "Constant":
            return node
        if kind == "Parameter" and outer and node.get_friendly_name() in outer.feeds:
            node, outer = outer.feeds[node.get_friendly_name()], outer.outer
        elif kind in _BETWEEN:
            node = node.input_value(0).get_node()
        else:
            return None


def element_type(constant: "ov.Node") -> str:
    """The element type of a constant (`f32`, `u4` ...)."""
    return str(constant.get_element_type().to_string())


def _values(constant: "ov.Node") -> Any:
    """The values of a constant of floats as float32."""
    return constant.get_data(dtype=np.float32)
