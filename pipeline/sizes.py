"""What a model is benchmarked at: as its entry says, or `benchmark:`, and as its shapes demand."""

from typing import Any

from pipeline import kinds, preprocess, shaping
from pipeline.errors import SpecError
from pipeline.spec import Model, Params


def of(params: Params, model: Model) -> tuple[dict[str, int], ...]:
    """The sizes of a model; what they leave out is what its static shapes say, else the task's."""
    wanted = [_fixed(model) | size for size in _asked(params, model)]
    return tuple(size for place, size in enumerate(wanted) if size not in wanted[:place])


def check(params: Params, model: Model) -> None:
    """The sizes are the task's, and fit into static shapes.

    Raises:
        SpecError: naming the first that is not, or does not.
    """
    known, fixed = kinds.load("task", model.task).Sizes, _fixed(model)
    where = f"models.{model.name}.sizes" if model.sizes else "benchmark.sizes"
    for index, size in enumerate(_asked(params, model)):
        known.from_dict(size, f"{where}.{index}", SpecError)
        for name, only in fixed.items():
            if (wanted := size.get(name, only)) != only:
                raise SpecError(
                    f"{where}.{index}.{name}: {wanted}: models.{model.name}.shapes allow {only} "
                    f"only: want models.{model.name}.sizes: [{_shown(size | fixed)}]"
                )


def _asked(params: Params, model: Model) -> list[dict[str, int]]:
    """The sizes that an entry asks for; of those of all, what its task can vary.

    So a `length` there is for texts, and no matter to pictures and tensors beside them.
    """
    if model.sizes:
        return list(model.sizes)
    own, every = _varied(model), {key for each in params.models.values() for key in _varied(each)}
    return [{k: n for k, n in s.items() if k in own or k not in every} for s in params.sizes(model)]


def _varied(model: Model) -> set[str]:
    """The keys of a size that a model's task knows."""
    return {*kinds.load("task", model.task).Sizes.model_fields}


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
    known = _varied(model)
    return {name: size for name, size in found.items() if size and name in known}


def _shown(size: dict[str, int]) -> str:
    return "{" + ", ".join(f"{name}: {number}" for name, number in size.items()) + "}"
