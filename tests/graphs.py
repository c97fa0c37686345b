"""Small ONNX graphs with random weights (seeded), written as the tools of their authors do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 9


def saved(graph: Any, path: Path, **how: Any) -> Path:
    """The file of a graph; `location` puts its weights beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    if how:
        how |= {"save_as_external_data": True, "size_threshold": 0}
    onnx.save(made, str(path), **how)
    return path


def mlp(sizes: Sequence[int] = (16, 32, 8)) -> Any:
    """`x` through layers to `scores`; nodes carry names that look as if OpenVINO had made them."""
    drawn = np.random.default_rng(0)
    nodes, weights, at = [], [], "x"
    for number, (wide, narrow) in enumerate(zip(sizes, sizes[1:], strict=False)):
        values = (drawn.standard_normal((wide, narrow)) / np.sqrt(wide)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{number}"))
        last = number == len(sizes) - 2
        to = "scores" if last else f"h{number}"
        made = to if last else f"m{number}"
        nodes.append(
            helper.make_node("MatMul", [at, f"w{number}"], [made], name=f"MatMul_{number}2")
        )
        if not last:
            nodes.append(helper.make_node("Relu", [made], [to], name=f"Relu_{number}"))
        at = to
    return helper.make_graph(nodes, "mlp", [_floats("x", "n", sizes[0])],
                             [_floats("scores", "n", sizes[-1])], weights)  # fmt: skip


def mixed_inputs() -> Any:
    """A scalar, a mask of booleans and ids of a table of ten rows; two outputs, two open axes."""
    table = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Mul", ["rows", "factor"], ["scaled:0"]),
        helper.make_node("Cast", ["mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["kept"], ["count"], keepdims=0),
    ]
    given = [
        helper.make_tensor_value_info("ids", TensorProto.INT32, ["n", "t"]),
        helper.make_tensor_value_info("mask", TensorProto.BOOL, ["n", "t"]),
        helper.make_tensor_value_info("factor", TensorProto.FLOAT, []),
    ]
    made = [_floats("scaled:0", "n", "t", 4), helper.make_tensor_value_info("count", 1, [])]
    return helper.make_graph(nodes, "mixed", given, made, [numpy_helper.from_array(table, "table")])


def quantized() -> Any:
    """A layer as quantizers of ONNX write it: QuantizeLinear and DequantizeLinear around int8."""
    drawn = np.random.default_rng(0)
    constants = {
        "scale": np.float32(0.02), "zero": np.int8(0), "w_scale": np.float32(0.01),
        "w": drawn.integers(-127, 128, (64, 64)).astype(np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "zero"], ["wd"]),
        helper.make_node("MatMul", ["d", "wd"], ["y"]),
    ]
    weights = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    return helper.make_graph(
        nodes, "qdq", [_floats("x", "n", 64)], [_floats("y", "n", 64)], weights
    )


def of_unknown_rank() -> Any:
    """A convolution of what was reshaped to a shape that only an input knows."""
    weight = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w")
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Conv", ["r", "w"], ["y"], name="/decoder/Conv"),
    ]
    shape = helper.make_tensor_value_info("shape", TensorProto.INT64, ["k"])
    return helper.make_graph(nodes, "g", [_floats("x", 64), shape], [_floats("y")], [weight])


def nested(depth: int) -> Any:
    """Conditions in the first branches of conditions."""
    inner = _branch("y0", helper.make_node("Identity", ["x"], ["y0"]))
    for level in range(1, depth):
        name = f"y{level}"
        other = _branch(f"z{level}", helper.make_node("Identity", ["x"], [f"z{level}"]))
        node = helper.make_node("If", ["c"], [name], then_branch=inner, else_branch=other)
        inner = _branch(name, node)
    given = [_floats("x", 1), helper.make_tensor_value_info("c", TensorProto.BOOL, [])]
    return helper.make_graph(inner.node, "top", given, inner.output)


def _branch(output: str, node: Any) -> Any:
    return helper.make_graph([node], "branch", [], [_floats(output)])


def _floats(name: str, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape or None)
