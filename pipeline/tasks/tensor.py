"""Tensors: a bare model, fed what its inputs are declared to take, or the arrays of an .npz.

What networks take is what the model's file says, and over it `inputs:`, `shapes:` and `preprocess:`
of its entry. A data set is an `.npz` of arrays by input name, whose first axis counts items, with
`labels` among them or not.
"""

import functools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline import kinds, shaping
from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import invented, ir, metrics
from pipeline.networks.tensors import Array, Networks, Tensors
from pipeline.record import Record
from pipeline.spec import Declared, Model
from pipeline.tasks import Item, Trial

FILES = ()
TOOLCHAIN = ("numpy",)
RUNS_WITH = ()
JUDGED_WITH = ("numpy",)
METRICS = {
    "cosine_mean": Metric("higher", gate={32: 0.999, 16: 0.999, 8: 0.99, 4: 0.95}),
    "cosine_min": Metric("higher"),
    "max_abs_error": metrics.MAX_ABS_ERROR,
}
LABELS = "labels"


class Options(Record):
    """None: there is nothing to choose."""


class Resolved(Record):
    """None: tensors mean what the model's author says."""


class Sizes(Record):
    """What of an input a benchmark may vary.

    Args:
        batch: items at once, where the first axis of every input is open.
    """

    batch: int = Field(default=1, ge=1, le=100_000)


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """Nothing but what is tried where an axis is open.

    Raises:
        ExportError: what an input takes is not known.
    """
    declared = takes(source, model)
    opened = {name: one for name, one in declared.items() if -1 in one.shape[1:]}
    tried = {name: [*invented.shape(one)] for name, one in opened.items()}
    note = f"axes that are open are tried at {tried}: inputs: of models.{model.name} says otherwise"
    return Resolved(), [note] if tried else []


def takes(source: Path, model: Model) -> dict[str, Declared]:
    """What each input takes.

    Raises:
        ExportError: neither the entry nor the model's files say it.
    """
    exporter = kinds.load("format", model.format)
    told: Mapping[str, Declared] = (
        exporter.inputs(source, model) if hasattr(exporter, "inputs") else {}
    )
    if told and (unknown := sorted(model.inputs.keys() - told.keys())):
        raise ExportError(
            f"models.{model.name}.inputs: {unknown[0]!r}: the network takes {sorted(told)}"
        )
    if not told and not model.inputs:
        raise ExportError(
            f"models.{model.name}.inputs: missing: its file does not say what it takes: want "
            "inputs: {NAME: {shape: [1, 3, 224, 224], type: f32}}"
        )
    return {name: _shaped(one, name, model) for name, one in {**told, **model.inputs}.items()}


def _shaped(declared: Declared, name: str, model: Model) -> Declared:
    """An input with the shape that the entry gives it, and before what lies in front of it.

    Where all have one batch, any number of items goes in (networks/batched.py).
    """
    axes = list(declared.shape)
    if shape := shaping.of(model.shapes, name):
        first = 1 if shaping.batch(model.shapes) else 0
        axes[first:] = [shaping.static(shape, n) or -1 for n in range(first, len(shape))]
    every = model.pictures
    if (inside := every.get(name, every.get(shaping.ALL))) is None:
        return declared.model_copy(update={"shape": tuple(axes)})
    size = inside.size if inside.size and not inside.resize else (-1, -1)
    sides = {"N": axes[0], "H": size[0], "W": size[1], "C": 1 if inside.is_grey else 3}
    return Declared(shape=tuple(sides[axis] for axis in inside.layout), type="u8")


def items(path: Path) -> list[Item]:
    """The rows of an .npz, each with its label if there are labels.

    Raises:
        DataError: it is none, or its arrays are not of one length.
    """
    arrays = _arrays(path)
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    if len(lengths) != len(arrays) or len(set(lengths.values())) != 1 or 0 in lengths.values():
        shapes = {name: array.shape for name, array in arrays.items()}
        raise DataError(f"{path.name}: {shapes}: want a first axis that counts items, in all alike")
    labels = arrays[LABELS].tolist() if LABELS in arrays else [None] * min(lengths.values())
    return [Item([path, row], label) for row, label in enumerate(labels)]


def invent(source: Path, model: Model, options: Resolved, count: int, seed: int) -> list[Item]:
    """Seeds of tensors without meaning."""
    return [Item(seed * count + number) for number in range(count)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """What the network is fed of each item, of shape (1, ...).

    Raises:
        DataError: the data set lacks an input, or has it in another shape.
    """
    declared = takes(source, model)
    return [
        invented.made(declared, item.input)
        if isinstance(item.input, int)
        else _row(declared, item.input)
        for item in items
    ]


def sized(source: Path, model: Model, options: Resolved, sizes: Sizes) -> Tensors:
    """Tensors without meaning, of so many items.

    Raises:
        DataError: an input takes another number.
    """
    made = invented.made(takes(source, model), 0, sizes.batch)
    if sizes.batch > 1 and (short := [n for n, a in made.items() if a.shape[:1] != (sizes.batch,)]):
        raise DataError(
            f"sizes.batch: {sizes.batch}: models.{model.name} takes {short[0]!r} of shape "
            f"{list(made[short[0]].shape)}"
        )
    return made


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """The outputs of the only network.

    Raises:
        DataError: there are several.
    """
    if networks.keys() != {ir.MODEL}:
        raise DataError(
            f"task 'tensor' runs one network, here are {sorted(networks)}: want a task of your "
            "own, kinds/tasks/NAME.py"
        )
    return networks[ir.MODEL](inputs)


def judge(trial: Trial) -> Iterator[Figure]:
    """How near the outputs are to the original's: of a sample all together, and the worst."""
    yield metrics.max_abs_error(trial.expected, trial.measured)
    cosines = [_cosine(a, b) for a, b in zip(trial.expected, trial.measured, strict=True)]
    for metric, value in (("cosine_mean", np.mean(cosines)), ("cosine_min", np.min(cosines))):
        yield Figure(metric=metric, value=float(value), samples=len(cosines))


def _cosine(expected: Tensors, measured: Tensors) -> float:
    """The least of the cosines of a sample's outputs."""
    return min(
        metrics.cosine(*(one[name].astype(np.float64).ravel() for one in (expected, measured)))
        for name in expected
    )


def _row(declared: Mapping[str, Declared], given: Sequence[Any]) -> Tensors:
    path, row = Path(given[0]), int(given[1])
    arrays = _arrays(path)
    if lacking := sorted(declared.keys() - arrays.keys()):
        raise DataError(f"{path.name}: no array {lacking[0]!r}: want {sorted(declared)}")
    return {name: _fitted(arrays[name], row, one, name) for name, one in declared.items()}


def _fitted(array: Array, row: int, declared: Declared, name: str) -> Array:
    """A row as the input takes it: with an axis of one in front, if it has one more than that."""
    rank = len(declared.shape)
    one = array[row : row + 1] if array.ndim == rank else array[row]
    fits = one.ndim == rank and all(
        wanted in (-1, size) for wanted, size in zip(declared.shape, one.shape, strict=True)
    )
    if not fits:
        raise DataError(f"{name!r} of shape {list(one.shape)}: want {list(declared.shape)}")
    return np.ascontiguousarray(one).astype(invented.TYPES[declared.type], copy=False)


@functools.lru_cache(maxsize=2)
def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as read:
            return {name: read[name] for name in read.files}
    except (OSError, TypeError, ValueError, zipfile.BadZipFile) as e:
        raise DataError(f"{path.name}: no .npz of arrays: {e}") from e
