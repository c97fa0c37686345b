"""A plain module of PyTorch: a factory makes it, the source holds its state dict.

torch.export sees it run, and OpenVINO converts that; where one of them gives up, what TorchScript
traces is converted. Either is held against the module, which is the original, in eager mode.
"""

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import factory
from pipeline.errors import ExportError, SpecError
from pipeline.exporters import (
    _arguments,
    _bare,
    _beside,
    _module,
    _prepared,
    _program,
    _script,
    _state,
)
from pipeline.exporters._eager import use_threads as use_threads
from pipeline.networks import ir
from pipeline.networks.tensors import Array, Networks
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = (*_bare.TOOLCHAIN, "safetensors", "torch")
RUNS_WITH = ("numpy", "pillow", "safetensors", "torch")
ENDINGS = ()  # a factory tells it
_SAFE = (".safetensors",)
_PICKLED = (".pt", ".pth", ".bin", ".ckpt")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_FROZEN = "Converting a tensor to a Python boolean"  # what a trace says that takes one branch
NOTE = "TorchScript traced it, because of "


class _Loaded(NamedTuple):
    """The module, and how it is called."""

    module: Any
    arguments: Mapping[str, str]
    original: _module.Original


def check(model: Model) -> None:
    """Want a factory that is there, what its module takes, and one file.

    Raises:
        SpecError: the entry lacks something.
    """
    if not model.factory:
        raise SpecError(f"factory: missing: want MODULE:FUNCTION, as {factory.EXAMPLE}")
    if len(model.networks) > 1:
        raise SpecError(f"files: {sorted(model.networks)}: a factory makes one network")
    for file in model.networks.values():
        if not file.endswith((*_SAFE, *_PICKLED)):
            raise SpecError(f"files: {file!r}: want a state dict: {[*_SAFE, *_PICKLED]}")
    _arguments.check(model)


def baseline() -> str:
    """What the original runs in."""
    return "PyTorch eager fp32"


def files(model: Model) -> tuple[str, ...]:
    """The state dict, and what lies beside the IR."""
    return (*(name for (name,) in weights(model)), *_beside.NAMES)


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """What a state dict may lie in: a pickle only where it is allowed."""
    return tuple(
        (pattern,)
        for pattern in _bare.patterns(model, _endings(model))
        if pattern.endswith(_endings(model))
    )


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the IR folder.

    Raises:
        ExportError: the state dict is not that of the factory's module, or nothing converts it.
    """
    loaded, path = _load(source, model)
    network, notes = _converted(loaded, model)
    reads = {path.relative_to(source).as_posix()}
    facts = _bare.write({ir.MODEL: network}, source, model, out, reads=reads)
    return {**facts, "notes": [*notes, *facts["notes"]]}


def original(source: Path, model: Model) -> Networks:
    """The module in eager mode at fp32."""
    loaded, _ = _load(source, model)
    return _prepared.fed({ir.MODEL: loaded.original}, model)


def _endings(model: Model) -> tuple[str, ...]:
    return (*_SAFE, *(_PICKLED if "pickle" in model.allow else ()))


def _load(source: Path, model: Model) -> tuple[_Loaded, Path]:
    """The module with its weights, and the file that they lie in."""
    (path,) = _bare.places(source, model, _endings(model)).values()
    module = _state.load(path, model)
    parameters = inspect.signature(module.forward).parameters.values()
    takes = [parameter.name for parameter in parameters if parameter.kind in _NAMED]
    arguments = _arguments.bound(model, takes)
    return _Loaded(module, arguments, _module.Original(module, arguments, model.source)), path


def _converted(loaded: _Loaded, model: Model) -> tuple["ov.Model", list[str]]:
    """The network with the module's inputs and outputs by name, and notes on it.

    Raises:
        ExportError: neither way leads there; with the reason of either.
    """
    examples = _arguments.examples(model, loaded.original)
    try:
        return _exported(loaded, examples, model), []
    except ExportError as e:
        told = str(e).removeprefix(f"{model.source}: ")
        try:
            return _traced(loaded, examples, model), [f"{NOTE}{told}"]
        except ExportError as other:
            raise ExportError(f"{e}; {str(other).removeprefix(f'{model.source}: ')}") from other


def _exported(loaded: _Loaded, examples: list[dict[str, Array]], model: Model) -> "ov.Model":
    from torch.export import Dim

    given = {loaded.arguments[name]: array for name, array in examples[0].items()}
    axes = {
        loaded.arguments[name]: {
            axis: Dim.DYNAMIC for axis, size in enumerate(one.shape) if size == -1
        }
        for name, one in model.inputs.items()
    }
    _module.register(loaded.module, given, model.source)
    network = _program.exported(loaded.module, given, axes, model)
    _program.rename_inputs(network, _declared(network, loaded.arguments))
    return _held(network, loaded, examples, model, "torch.export")


def _traced(loaded: _Loaded, examples: list[dict[str, Array]], model: Model) -> "ov.Model":
    """As TorchScript traces it; no branch of it may depend on what it was traced with."""
    import torch

    example = _program.tensors(examples[0])
    given = {loaded.arguments[name]: tensor for name, tensor in example.items()}
    trace: Any = torch.jit.trace
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with torch.inference_mode():
                script = trace(
                    loaded.module, example_kwarg_inputs=given, check_trace=False, strict=False
                )
        except _program.GIVEN_UP as e:
            said = " ".join(str(e).split())
            raise ExportError(f"{model.source}: torch.jit.trace: {said}") from e
    if any(_FROZEN in str(warning.message) for warning in told):
        raise ExportError(
            f"{model.source}: torch.jit.trace: a branch depends on values, of which a trace keeps "
            "one: want it written without, or the module of torch.jit.script and no factory"
        )
    network = _script.convert(script, loaded.arguments, model)
    return _held(network, loaded, examples, model, "torch.jit.trace")


def _declared(network: "ov.Model", arguments: Mapping[str, str]) -> list[str]:
    """The declared name of each input of a network that has the names of arguments."""
    names = {argument: name for name, argument in arguments.items()}
    return [
        next(names[known] for known in port.get_names() if known in names)
        for port in network.inputs
    ]


def _held(
    network: "ov.Model",
    loaded: _Loaded,
    examples: list[dict[str, Array]],
    model: Model,
    how: str,
) -> "ov.Model":
    """The network with names of its outputs, after it gave what the module gives."""
    _program.rename_outputs(network, [*loaded.original(examples[0])], f"{model.source}: {how}")
    _program.check(network, loaded.original, examples, model, how=how)
    return network
