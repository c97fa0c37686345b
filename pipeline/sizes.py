"""What a model is benchmarked at: as its entry says, or `benchmark:`, and as its shapes demand."""

from typing import Any

from pipeline import kinds, preprocess, shaping
from pipeline.errors import SpecError
from pipeline.spec import Model, Params


def of(params: Params, model: Model) -> tuple[dict[str, int], ...]:
    """The sizes of a model; what they leave out is what its static shapes say, else the task's."""
    return tuple(_fixed(model) | size for size in params.sizes(model))


def check(params: Params, model: Model) -> None:
    """The sizes are the task's, and fit into static shapes.

    Raises:
        SpecError: naming the first that is not, or does not.
    """
    known, fixed = kinds.load("task", model.task).Sizes, _fixed(model)
    where = f"models.{model.name}.sizes" if model.sizes else "benchmark.sizes"
    for index, size in enumerate(params.sizes(model)):
        known.from_dict(size, f"{where}.{index}", SpecError)
        for name, only in fixed.items():
            if (wanted := size.get(name, only)) != only:
                raise SpecError(
                    f"{where}.{index}.{name}: {wanted}: models.{model.name}.shapes allow {only} "
                    f"only: want models.{model.name}.sizes: [{_shown(size | fixed)}]"
                )


def _fixed(model: Model) -> dict[str, int]:
    """The sizes that static shapes leave no choice of."""
    found: dict[str, Any] = {
        "batch": shaping.batch(model.shapes),
        "length": shaping.length(model.shapes),
        "height": None,
        "width": None,
    }
    pictures = model.pictures
    for one in pictures.values():  # with one that resizes, any picture will do
        if one.resize is None and one.size:
            found |= dict(zip(("height", "width"), one.size, strict=True))
    if not pictures and model.shapes:
        for shape in model.shapes.values():
            if sides := preprocess.sides(shape, "NCHW"):
                found |= dict(zip(("height", "width"), sides, strict=True))
    known = kinds.load("task", model.task).Sizes.model_fields
    return {name: size for name, size in found.items() if size and name in known}


def _shown(size: dict[str, int]) -> str:
    return "{" + ", ".join(f"{name}: {number}" for name, number in size.items()) + "}"
