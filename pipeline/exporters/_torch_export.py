"""An architecture that optimum-intel refuses: torch.export, and OpenVINO's own converter.

Nobody has tried such a model, so what comes out is held against the original before it is used: on
inputs that the task makes, of another size than those that it was traced with, and padded.
"""

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import kinds
from pipeline.exporters import _program
from pipeline.networks.inputs import TOKENS, fit
from pipeline.networks.tensors import Array, Tensors
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

NOTE = "torch.export and OpenVINO's own converter made it, because of "
_MASK = "attention_mask"
_TRIED, _SEED = 3, 0  # invented items that the figures must hold on


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
    network.float()
    network.config.use_cache = False
    network.config.return_dict = True
    example, *others = _examples(network, source, model)
    converted = _program.exported(network, example, _axes(example, others), model)
    _program.name_inputs(converted, example)
    _program.name_outputs(converted, _run(network, example), outputs)
    _program.check(converted, partial(_run, network), [example, *others], model)
    fixed = _program.fixed(converted)
    return converted, [f"inputs of a size that is fixed: {', '.join(fixed)}"] if fixed else []


def _examples(network: Any, source: Path, model: Model) -> list[dict[str, Array]]:
    """What the task feeds: a batch, in which the last text is padded; then single items."""
    task = kinds.load("task", model.task)
    options, _ = task.resolve(model, source)
    items = task.invent(source, model, options, _TRIED, _SEED)
    batch = task.sized(source, model, options, task.Sizes(batch=_program.BATCH))
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


def _run(network: Any, inputs: Tensors) -> dict[str, Array]:
    """The original's tensors by name; those of a tuple by their number too."""
    import torch

    with torch.inference_mode():
        outputs = network(**_program.tensors(inputs))
    named: dict[str, Array] = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor):
            named[name] = value.numpy()
        else:
            named |= {f"{name}.{index}": part.numpy() for index, part in enumerate(value)}
    return named
