"""An architecture that optimum-intel refuses: torch.export, and OpenVINO's own converter.

Nobody has tried such a model, so what comes out is held against the original before it is used: on
inputs that the task makes, of another size than those that it was traced with, and padded.
"""

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.host import reasons
from pipeline.networks.inputs import TOKENS, fit, mask
from pipeline.networks.tensors import Array, Tensors
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

NOTE = "torch.export and OpenVINO's own converter made it, because of "
_MASK = "attention_mask"
_BATCH = 2  # torch.export takes an axis of 1 for one that never changes
_TRIED, _SEED = 3, 0  # invented items that the figures must hold on
_TOLERANCE = 1e-4  # of an output's largest value
_CALL = re.compile(r"@\d+")  # how often a module was called before: rotary_emb@1
_OVERLOAD = re.compile(r"^(\w+)\.(\w+)\.\w+$")  # as torch names an operation: aten.linear.default
_ADVICE = re.compile("(?:For more information|If you're using).*")  # of torch, in a line
_SUMMARY = "\nSummary:\n"  # OpenVINO puts its log before it
_GIVEN_UP = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def convert(
    network: Any, outputs: Sequence[str], source: Path, model: Model
) -> tuple["ov.Model", list[str]]:
    """A PyTorch model of transformers as an OpenVINO one at f32, that gives the same outputs.

    Of its inputs the axes are open that differ between what the task feeds; others are noted.

    Args:
        network: in evaluation mode; its weights become f32, which holds them exactly.
        outputs: the names of those that are wanted; all there are if it gives none of these.
        source: the model's repository.
        model: its entry.

    Raises:
        ExportError: torch.export or OpenVINO cannot take it, or other figures come out.
    """
    import torch

    network.float()
    network.config.use_cache = False
    network.config.return_dict = True
    example, *others = _examples(network, source, model)
    axes = _axes(example, others)
    try:
        with torch.inference_mode():
            program = torch.export.export(network, (), _torch(example), dynamic_shapes=axes)
    except _GIVEN_UP as e:
        said = _ADVICE.sub("", str(e).partition("\n\n")[0])
        raise ExportError(f"{model.source}: torch.export: {_reason(e, said)}") from e
    converted = _converted(program, model)
    _name_inputs(converted, example)
    _name_outputs(converted, _run(network, example), outputs)
    _check_figures(converted, network, [example, *others], model)
    fixed = [f"{p.any_name} {p.partial_shape}" for p in converted.inputs if _is_fixed(p)]
    return converted, [f"inputs of a size that is fixed: {', '.join(fixed)}"] if fixed else []


def _is_fixed(port: "ov.Output") -> bool:
    return any(dimension.is_static for dimension in port.get_partial_shape())


def _examples(network: Any, source: Path, model: Model) -> list[dict[str, Array]]:
    """What the task feeds: a batch, in which the last text is padded; then single items."""
    task = kinds.load("task", model.task)
    options, _ = task.resolve(model, source)
    items = task.invent(source, model, options, _TRIED, _SEED)
    batch = task.sized(source, model, options, task.Sizes(batch=_BATCH))
    made = [batch, *task.encode(items, source, model, options)]
    takes = inspect.signature(network.forward).parameters
    known = {*batch, _MASK} if TOKENS in batch else batch
    fitted = [fit(inputs, [name for name in takes if name in known]) for inputs in made]
    if _MASK in fitted[0]:
        padded = fitted[0][_MASK].copy()
        padded[-1, padded.shape[1] // 2 :] = 0
        fitted[0][_MASK] = padded
    return fitted


def _axes(example: Tensors, others: Sequence[Tensors]) -> dict[str, dict[int, Any]]:
    """The axes that differ between what the task feeds, which stay open."""
    from torch.export import Dim

    return {
        name: {
            axis: Dim.DYNAMIC
            for axis, size in enumerate(array.shape)
            if any(other[name].shape[axis] != size for other in others)
        }
        for name, array in example.items()
    }


def _converted(program: Any, model: Model) -> "ov.Model":
    """The program as an OpenVINO model, whose operations are named as optimum-intel's are."""
    import openvino as ov
    from openvino.frontend import GeneralFailure, OpConversionFailure, OpValidationFailure
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    given_up = (*_GIVEN_UP, GeneralFailure, OpConversionFailure, OpValidationFailure)

    try:
        decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
        converted = ov.convert_model(decoder)
    except given_up as e:
        said = str(e).partition(_SUMMARY)[2] or reasons.last_line(str(e))
        raise ExportError(f"{model.source}: OpenVINO: {_reason(e, said)}") from e
    _rename(converted, decoder.pt_module.graph.nodes)
    return converted


def _reason(error: BaseException, text: str) -> str:
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


def _name_inputs(network: "ov.Model", given: Tensors) -> None:
    """Leave inputs no name but that which the original has for them."""
    for port in network.inputs:
        port.get_tensor().set_names(port.get_names() & given.keys())


def _name_outputs(network: "ov.Model", given: Tensors, wanted: Sequence[str]) -> None:
    """Give outputs the names that the original has for them, and leave out what is not wanted."""
    kept = [name for name in given if name in wanted] or list(given)
    for name, result in zip(given, network.get_results(), strict=True):
        if name in kept:
            result.input_value(0).get_tensor().add_names({name})
        else:
            network.remove_result(result)
    network.validate_nodes_and_infer_types()


def _check_figures(
    converted: "ov.Model", network: Any, examples: Sequence[Tensors], model: Model
) -> None:
    """Hold the converted network against the original.

    Raises:
        ExportError: it does not run, or an output differs.
    """
    import openvino as ov

    try:
        compiled = ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for example in examples:
            made = compiled(fit(example, [port.any_name for port in compiled.inputs]))
            wanted = _run(network, example)
            for port in compiled.outputs:
                _check_output(port.any_name, made[port], wanted[port.any_name], example, model)
    except RuntimeError as e:
        raise ExportError(f"{model.source}: OpenVINO: {reasons.last_line(str(e))}") from e


def _check_output(name: str, made: Array, wanted: Array, example: Tensors, model: Model) -> None:
    shapes = {given: array.shape for given, array in example.items()}
    if made.shape != wanted.shape:
        raise ExportError(
            f"{model.source}: torch.export: output {name!r} has shape {made.shape} at {shapes}: "
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
            f"{model.source}: torch.export: output {name!r} differs by {worst:.3g} at {shapes}: "
            f"want {_TOLERANCE:g} of the original's largest value, {scale:.3g}"
        )


def _run(network: Any, inputs: Tensors) -> dict[str, Array]:
    """The original's tensors by name; those of a tuple by their number too."""
    import torch

    with torch.inference_mode():
        outputs = network(**_torch(inputs))
    named: dict[str, Array] = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor):
            named[name] = value.numpy()
        else:
            named |= {f"{name}.{index}": part.numpy() for index, part in enumerate(value)}
    return named


def _torch(inputs: Tensors) -> dict[str, Any]:
    import torch

    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in inputs.items()}
