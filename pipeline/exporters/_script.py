"""A TorchScript module as an OpenVINO model that takes what the entry declares."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import ExportError
from pipeline.exporters import _bare, _program
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov


def arguments(script: Any) -> list[str]:
    """The names of what its `forward` takes."""
    return [argument.name for argument in script.forward.schema.arguments[1:]]


def numbers(script: Any) -> list[str]:
    """Those of them that are numbers of Python, and no tensors."""
    schema = script.forward.schema.arguments[1:]
    return [argument.name for argument in schema if str(argument.type) in ("int", "float", "bool")]


def convert(script: Any, bound: Mapping[str, str], model: Model) -> "ov.Model":
    """The network; its outputs have no names yet.

    Args:
        script: in evaluation mode.
        bound: the argument that each declared input is.
        model: its entry.

    Raises:
        ExportError: OpenVINO cannot take it; each operation is named.
    """
    import openvino as ov

    inputs = {argument: name for name, argument in bound.items()}
    takes = arguments(script)
    if left := [name for name in takes if name not in inputs]:
        raise ExportError(
            f"models.{model.name}.inputs: {[*model.inputs]}: a script takes all of its arguments: "
            f"want {left} too"
        )
    order = [inputs[argument] for argument in takes]
    declared = [model.inputs[name] for name in order]
    kinds = [(ov.PartialShape([*one.shape]), getattr(ov.Type, one.type)) for one in declared]
    with _bare.told(model.source):
        network = ov.convert_model(script, input=kinds)
    if len(network.inputs) != len(order):
        raise ExportError(
            f"{model.source}: OpenVINO: takes {len(network.inputs)} inputs: want {order}"
        )
    _program.rename_inputs(network, order)
    return network
