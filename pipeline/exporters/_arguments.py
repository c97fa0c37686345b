"""The arguments of a module of PyTorch, and what it is fed when it is converted."""

from collections.abc import Callable, Sequence

from pipeline.errors import ExportError, SpecError
from pipeline.exporters import _program
from pipeline.host import reasons
from pipeline.networks import invented
from pipeline.networks.tensors import Array, Tensors
from pipeline.spec import Model

EXAMPLE = "inputs: {x: {shape: [-1, 3, 224, 224], type: f32}}"
_BATCHES = (_program.BATCH, 1, 3)
_SIZES = (invented.OPEN, invented.OPEN // 2, invented.OPEN * 3 // 2)  # of axes that are open


def check(model: Model) -> None:
    """Want an entry that says what the module takes.

    Raises:
        SpecError: it does not.
    """
    if not model.inputs:
        raise SpecError(f"inputs: missing, and no file says what it takes: want {EXAMPLE}")


def bound(model: Model, takes: Sequence[str]) -> dict[str, str]:
    """The argument that each declared input is: the one of its name, or else in order.

    Raises:
        ExportError: `forward` takes fewer.
    """
    names = list(model.inputs)
    if {*names} <= {*takes}:
        return {name: name for name in names}
    if len(names) > len(takes):
        raise ExportError(
            f"models.{model.name}.inputs: {names}: forward takes {[*takes]}: want one for each"
        )
    return dict(zip(names, takes, strict=False))


def examples(model: Model, original: Callable[[Tensors], Tensors]) -> list[dict[str, Array]]:
    """What both are fed: a batch, then a single item and another batch, of other sizes.

    Those that the original itself does not take are left out, but for the first.

    Raises:
        ExportError: it does not take the first.
    """
    first, *others = (
        invented.made(model.inputs, seed, batch, size)
        for seed, (batch, size) in enumerate(zip(_BATCHES, _SIZES, strict=True))
    )
    try:
        original(first)
    except _program.GIVEN_UP as e:
        shapes = {name: [*array.shape] for name, array in first.items()}
        raise ExportError(
            f"{model.source}: its forward does not take {shapes}, made as "
            f"models.{model.name}.inputs says: {reasons.said(e)}"
        ) from e
    return [first, *(example for example in others if _takes(original, example))]


def _takes(original: Callable[[Tensors], Tensors], example: Tensors) -> bool:
    try:
        original(example)
    except _program.GIVEN_UP:
        return False
    return True
