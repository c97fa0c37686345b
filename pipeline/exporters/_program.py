"""A module of PyTorch as an OpenVINO model, by torch.export and OpenVINO's own converter.

Operations are named after the modules in which they lie, inputs and outputs as the module has
them. What comes out is held against the module before it is used.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ExportError
from pipeline.host import reasons
from pipeline.networks.inputs import fit, mask
from pipeline.networks.tensors import Array, Tensors
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

Axes = dict[str, dict[int, Any]]  # of each input those that stay open
BATCH = 2  # torch.export takes an axis of 1 for one that never changes
GIVEN_UP = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_MASK = "attention_mask"
_TOLERANCE = 1e-4  # of an output's largest value
_CALL = re.compile(r"@\d+")  # how often a module was called before: rotary_emb@1
_OVERLOAD = re.compile(r"^(\w+)\.(\w+)\.\w+$")  # as torch names an operation: aten.linear.default
_ADVICE = re.compile("(?:For more information|If you're using).*")  # of torch, in a line
_SUMMARY = "\nSummary:\n"  # OpenVINO puts its log before it


def exported(network: Any, example: Tensors, axes: Axes, model: Model) -> "ov.Model":
    """A module as torch.export sees it run on an example, converted, with its operations named.

    Args:
        network: in evaluation mode.
        example: by argument of its `forward`.
        axes: those of the example that stay open.
        model: its entry.

    Raises:
        ExportError: torch.export or OpenVINO cannot take it.
    """
    import torch

    try:
        with torch.inference_mode():
            program = torch.export.export(network, (), tensors(example), dynamic_shapes=axes)
    except GIVEN_UP as e:
        said = _ADVICE.sub("", str(e).partition("\n\n")[0])
        raise ExportError(f"{model.source}: torch.export: {reason(e, said)}") from e
    return _converted(program, model)


def _converted(program: Any, model: Model) -> "ov.Model":
    """The program as an OpenVINO model, whose operations are named as optimum-intel's are."""
    import openvino as ov
    from openvino.frontend import GeneralFailure, OpConversionFailure, OpValidationFailure
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    given_up = (*GIVEN_UP, GeneralFailure, OpConversionFailure, OpValidationFailure)

    try:
        decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
        converted = ov.convert_model(decoder)
    except given_up as e:
        said = str(e).partition(_SUMMARY)[2] or reasons.last_line(str(e))
        raise ExportError(f"{model.source}: OpenVINO: {reason(e, said)}") from e
    _rename(converted, decoder.pt_module.graph.nodes)
    return converted


def reason(error: BaseException, text: str) -> str:
    """What gave up says, in one line; all of it is in the log of the child process."""
    lines = (line.removeprefix("-- ").strip() for line in text.splitlines())
    return f"{'; '.join(filter(None, lines))} ({type(error).__name__})"


def _rename(network: "ov.Model", nodes: Any) -> None:
    """Name operations after the module in which they lie, weights after themselves.

    As where TorchScript is converted: `__module.layers.0.attn.Wqkv/aten::linear/MatMul`, and
    `self.layers.0.attn.Wqkv.weight`. Numbers that torch counted go, and so do the names of tensors
    that nobody looks for.
    """
    known = {node.name: node for node in nodes}
    asked = {port.get_node().get_friendly_name() for port in (*network.inputs, *network.outputs)}
    for operation in network.get_ordered_ops():
        if operation.get_friendly_name() in asked:
            continue
        first, *rest = operation.get_friendly_name().split("/")
        tensors = [name.removesuffix(":0") for port in operation.outputs() for name in port.names]
        weight = next((known[name] for name in tensors if name in known), None)
        if operation.get_type_name() == "Constant" and weight and weight.op == "get_attr":
            operation.set_friendly_name(f"self.{weight.target}")
        elif first in known and rest:
            names = [_OVERLOAD.sub(r"\1::\2", name) for name in rest]
            operation.set_friendly_name("/".join([*_module(known[first]), *names]))
        for port in operation.outputs():
            port.get_tensor().set_names(set())


def _module(node: Any) -> list[str]:
    """The path of the module that a node was traced in, if it is not the whole."""
    stack = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    path = _CALL.sub("", stack[-1]) if stack else ""
    return [f"__module.{path}"] if path and not path.startswith("_empty_nn_module") else []


def name_inputs(network: "ov.Model", given: Tensors) -> None:
    """Leave inputs no name but that which the original has for them."""
    for port in network.inputs:
        port.get_tensor().set_names(port.get_names() & given.keys())


def rename_inputs(network: "ov.Model", names: Sequence[str]) -> None:
    """Give the inputs these names in their order, and no others."""
    for port, name in zip(network.inputs, names, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)


def fixed(network: "ov.Model") -> list[str]:
    """The inputs that have an axis of a size that is fixed, and their shapes."""
    return [
        f"{port.any_name} {port.partial_shape}"
        for port in network.inputs
        if any(dimension.is_static for dimension in port.get_partial_shape())
    ]


def name_outputs(network: "ov.Model", given: Tensors, wanted: Sequence[str]) -> None:
    """Give outputs the names that the original has for them, and leave out what is not wanted."""
    kept = [name for name in given if name in wanted] or list(given)
    for name, result in zip(given, network.get_results(), strict=True):
        if name in kept:
            result.input_value(0).get_tensor().add_names({name})
        else:
            network.remove_result(result)
    network.validate_nodes_and_infer_types()


def rename_outputs(network: "ov.Model", names: Sequence[str], where: str) -> None:
    """Give the outputs these names in their order, and no others.

    An output that is an input, or another output too, becomes a tensor of its own.

    Raises:
        ExportError: there are not so many.
    """
    import openvino.opset16 as ops

    results = network.get_results()
    if len(results) != len(names):
        raise ExportError(f"{where}: OpenVINO: gives {len(results)} outputs: want {[*names]}")
    named: set[str] = set()
    for name, result in zip(names, results, strict=True):
        value = result.input_value(0)
        if value.get_node().get_type_name() == "Parameter" or value.get_names() & named:
            value = ops.identity(value).output(0)
            result.input(0).replace_source_output(value)
        value.get_tensor().set_names({name})
        named.add(name)
    network.validate_nodes_and_infer_types()


def check(
    converted: "ov.Model",
    original: Callable[[Tensors], Tensors],
    examples: Sequence[Tensors],
    model: Model,
    *,
    how: str = "torch.export",
) -> None:
    """Hold the converted network against the original.

    Args:
        converted: with the original's names.
        original: gives its outputs by name.
        examples: what both are fed.
        model: its entry.
        how: by what it was converted.

    Raises:
        ExportError: it does not run, or an output differs.
    """
    import openvino as ov

    try:
        compiled = ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for example in examples:
            made = compiled(fit(example, [port.any_name for port in compiled.inputs]))
            wanted = original(example)
            for port in compiled.outputs:
                try:
                    _check_output(port.any_name, made[port], wanted[port.any_name], example)
                except ExportError as e:
                    raise ExportError(f"{model.source}: {how}: {e}") from e
    except RuntimeError as e:
        raise ExportError(f"{model.source}: OpenVINO: {reasons.last_line(str(e))}") from e


def _check_output(name: str, made: Array, wanted: Array, example: Tensors) -> None:
    shapes = {given: array.shape for given, array in example.items()}
    if made.shape != wanted.shape:
        raise ExportError(
            f"output {name!r} has shape {made.shape} at {shapes}: "
            f"want the original's {wanted.shape}"
        )
    if _MASK in example and wanted.shape[:2] == example[_MASK].shape:
        real = mask(example) == 1  # of padding, libraries make what they like
        made, wanted = made[real], wanted[real]
    scale = float(np.nanmax(np.abs(wanted), initial=0.0))
    far = ~np.isclose(made, wanted, rtol=0, atol=_TOLERANCE * scale, equal_nan=True)
    if far.any():
        worst = float(np.max(np.abs(np.subtract(made, wanted)[far])))
        raise ExportError(
            f"output {name!r} differs by {worst:.3g} at {shapes}: "
            f"want {_TOLERANCE:g} of the original's largest value, {scale:.3g}"
        )


def tensors(inputs: Tensors) -> dict[str, Any]:
    """Arrays as torch has them."""
    import torch

    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in inputs.items()}
