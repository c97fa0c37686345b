"""A module of PyTorch: made by a factory, with the weights of a state dict; and run by names.

Nothing in it is random: every tensor of it comes from the state dict, and nothing there is left.
"""

import dataclasses
import importlib
import pickle
import re
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import factory
from pipeline.errors import ExportError
from pipeline.exporters import _program
from pipeline.host import reasons
from pipeline.networks.tensors import Tensors
from pipeline.spec import Model

_SHOWN = 3  # names of tensors in a message
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")  # as torch names what a pickle would have called
_SAVE = "torch.save(module.state_dict(), ...)"


def load(path: Path, model: Model) -> Any:
    """The module of the model's factory with the weights of a file, in evaluation mode, at f32.

    Args:
        path: a state dict, of safetensors or pickled.
        model: its entry.

    Raises:
        ExportError: the factory makes no module, or the state dict is not that of one.
    """
    import torch

    module = _made(model)
    state = _state(path, model, module.state_dict())
    _fill(module, state, f"{model.source}: {path.name}", model)
    buffers = {name for name, _ in module.named_buffers()}
    for name, tensor in module.state_dict().items():
        if tensor.is_meta:
            raise ExportError(f"{_where(model)}: tensor {name!r} is on the device meta: want cpu")
        if tensor.is_floating_point() and not _is_sound(tensor, masks=name in buffers):
            raise ExportError(f"{model.source}: tensor {name!r} holds NaN or infinity")
    with torch.no_grad():
        return module.eval().float()


def _made(model: Model) -> Any:
    """What the factory returns."""
    import torch

    module, function = factory.parts(model.factory)
    try:
        imported = importlib.import_module(module)
        if not hasattr(imported, function):
            raise ExportError(f"{_where(model)}: module {module!r} has no {function!r}")
        made = getattr(imported, function)()
    except (MemoryError, ExportError):
        raise
    except (Exception, SystemExit) as e:
        raise ExportError(f"{_where(model)}: {_place(e)}{reasons.said(e)}") from e
    if not isinstance(made, torch.nn.Module):
        raise ExportError(f"{_where(model)}: returns {type(made).__name__}: want a torch.nn.Module")
    return made


def _where(model: Model) -> str:
    return f"models.{model.name}.factory: {model.factory!r}"


def _place(error: BaseException) -> str:
    """The file and line of the user's own in which an error was raised, as far as there is one."""
    ours = str(Path(__file__).parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", ours)) and "importlib" not in frame.filename
    ]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""


def _state(path: Path, model: Model, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state dict in a file: the whole of it, or the mapping of tensors that is in it."""
    if path.suffix == ".safetensors":
        return _of_safetensors(path)
    if "pickle" not in model.allow:
        raise ExportError(f"{model.source}: {path.name}: a pickle wants allow: [pickle]")
    whole = unpickled(path, f"{model.source}: {path.name}")
    found = [part for part in (whole, *_parts(whole)) if _is_state(part)]
    found = [part for part in found if part.keys() == wanted.keys()] or found
    if len(found) != 1:
        has = f"keys {list(whole)[:10]}" if isinstance(whole, Mapping) else type(whole).__name__
        raise ExportError(f"{model.source}: {path.name}: {has}: want one state dict: {_SAVE}")
    return dict(found[0])


def _of_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as e:
        raise ExportError(f"{path.name}: not safetensors: {e}") from e


def unpickled(path: Path, where: str) -> Any:
    """What a file of torch.save holds, without running anything that it names.

    Raises:
        ExportError: it is none, or holds more than tensors and plain values.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        called = _GLOBAL.search(str(e))
        what = f"it names {called[1]}" if called else reasons.said(e)
        raise ExportError(
            f"{where}: pickled objects, of which none is loaded ({what}): want a state dict "
            f"({_SAVE}) and a factory, or torch.jit.save"
        ) from e
    except RuntimeError as e:
        if "TorchScript" not in str(e):
            raise ExportError(f"{where}: no file of torch.save: {reasons.said(e)}") from e
        raise ExportError(
            f"{where}: a TorchScript archive, which is its own module: want no factory, or a state "
            f"dict: {_SAVE}"
        ) from e
    except (EOFError, LookupError, OSError, TypeError, ValueError) as e:
        raise ExportError(f"{where}: no file of torch.save: {reasons.said(e)}") from e


def _parts(whole: object) -> Collection[Any]:
    return whole.values() if isinstance(whole, Mapping) else ()


def _is_state(part: object) -> bool:
    """Whether it is a mapping of names to tensors, and of nothing else."""
    import torch

    if not isinstance(part, Mapping) or not part:
        return False
    return all(isinstance(value, torch.Tensor) for value in part.values())


def _fill(module: Any, state: Mapping[str, Any], where: str, model: Model) -> None:
    """Put every tensor of a state dict into a module.

    Raises:
        ExportError: the module has others.
    """
    own = module.state_dict()
    both = own.keys() & state.keys()
    wrong = [
        f"{name!r} of shape {tuple(own[name].shape)} (it has {tuple(state[name].shape)})"
        for name in sorted(both)
        if own[name].shape != state[name].shape
    ]
    fitting = {} if wrong else state
    missing, unexpected = module.load_state_dict(fitting, strict=False)
    tied = {own[name].data_ptr() for name in both}  # which are saved once
    lacking = [repr(name) for name in missing if own[name].data_ptr() not in tied]
    if wrong or lacking or unexpected:
        lacks = f"lacks {_listed(wrong or lacking)}" if wrong or lacking else ""
        more = f"has {_listed(list(map(repr, unexpected)))} beyond it" if unexpected else ""
        told = " and ".join(filter(None, (lacks, more)))
        raise ExportError(f"{where}: {told}: want the state dict of what {model.factory} makes")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _is_sound(tensor: Any, *, masks: bool) -> bool:
    """Whether a tensor has no NaN and, unless it may mask something, no infinity."""
    import torch

    return bool(not torch.isnan(tensor).any() if masks else torch.isfinite(tensor).all())


class Original:
    """A module as a network: inputs and outputs have names.

    Args:
        module: in evaluation mode.
        arguments: the argument of its `forward` that each input is.
        where: the model, for messages.
        numbers: the arguments that are no tensors, but numbers of Python.
    """

    def __init__(
        self,
        module: Any,
        arguments: Mapping[str, str],
        where: str,
        numbers: Collection[str] = (),
    ) -> None:
        self._module, self._arguments, self._where = module, arguments, where
        self._numbers = numbers

    def __call__(self, inputs: Tensors) -> Tensors:
        import torch

        given = _program.tensors({self._arguments[name]: inputs[name] for name in self._arguments})
        given |= {name: given[name].item() for name in self._numbers}
        with torch.inference_mode():
            return {name: t.numpy() for name, t in named(self._module(**given), self._where)}

    def reset(self) -> None:
        """Nothing stays between calls."""


def register(module: Any, given: Tensors, where: str) -> None:
    """Let torch.export look into what a module returns, where that is a dataclass.

    Raises:
        ExportError: it cannot be taken apart and put together again.
    """
    import torch

    with torch.inference_mode():
        outputs = module(**_program.tensors(given))
    if dataclasses.is_dataclass(outputs) and not isinstance(outputs, Mapping):
        try:
            torch.export.register_dataclass(type(outputs))
        except _program.GIVEN_UP as e:
            raise ExportError(f"{where}: torch.export: {reasons.said(e)}") from e


def named(outputs: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Each tensor that a module returns, and its name.

    Keys of a mapping and fields of a dataclass or named tuple are names; else it is `output`, or
    `output_0` and so on. What lies deeper has a dot: `hidden.1`.

    Raises:
        ExportError: something in it is no tensor.
    """
    import torch

    if isinstance(outputs, torch.Tensor):
        yield "output", outputs
        return
    fields = _fields(outputs)
    if fields is None and isinstance(outputs, list | tuple):
        fields = {f"output_{index}": value for index, value in enumerate(outputs)}
    if fields is None:
        raise ExportError(f"{where}: returns {type(outputs).__name__}: want tensors")
    for name, value in fields.items():
        yield from _tensors(str(name), value, where)


def _fields(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value._asdict() if hasattr(value, "_asdict") else None


def _tensors(name: str, value: Any, where: str) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(value, torch.Tensor):
        yield name, value
    elif value is not None:
        inner = _fields(value)
        if inner is None and isinstance(value, list | tuple):
            inner = dict(enumerate(value))
        if inner is None:
            raise ExportError(f"{where}: output {name!r} is {type(value).__name__}: want a tensor")
        for key, part in inner.items():
            yield from _tensors(f"{name}.{key}", part, where)
