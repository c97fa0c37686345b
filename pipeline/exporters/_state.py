"""A module of PyTorch that a factory makes, with the weights of a state dict.

Nothing in it is random: every tensor of it comes from the state dict, and nothing there is left.
"""

import importlib
import traceback
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import factory
from pipeline.errors import ExportError
from pipeline.exporters import _pickled
from pipeline.host import reasons
from pipeline.spec import Model

_SHOWN = 3  # names of tensors in a message


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
    torch.manual_seed(0)  # what no state dict holds is at least always the same
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
    whole = _pickled.unpickled(path, f"{model.source}: {path.name}")
    found = [part for part in (whole, *_parts(whole)) if _is_state(part)]
    found = [part for part in found if part.keys() == wanted.keys()] or found
    if len(found) != 1:
        has = f"keys {list(whole)[:10]}" if isinstance(whole, Mapping) else type(whole).__name__
        raise ExportError(
            f"{model.source}: {path.name}: {has}: want one state dict: {_pickled.SAVED}"
        )
    return dict(found[0])


def _of_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as e:
        raise ExportError(f"{path.name}: not safetensors: {e}") from e


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
