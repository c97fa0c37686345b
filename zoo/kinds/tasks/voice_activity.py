"""Voice activity: sound in, out for each 32 ms how likely it is that somebody speaks.

The network hears a window and the end of the one before; what it remembers goes round the loop as a
tensor. A data set is an .npz of `samples`, of shape (items, samples) at 16 kHz, and of `labels`,
of shape (items, windows): 1 where somebody speaks, else 0.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Array, Networks, Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item, Trial

FILES = ()
TOOLCHAIN = ("numpy",)
RUNS_WITH = ()
JUDGED_WITH = ("numpy", "scipy")
METRICS = {
    "agreement": Metric("higher", gate={32: 0.97, 16: 0.97, 8: 0.95, 4: 0.9}),
    "accuracy": Metric("higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}),
    "max_abs_error": metrics.MAX_ABS_ERROR,
}
WINDOW, BEFORE = 512, 64  # samples that are new, and those of the window before that go with them
STATE = (2, 1, 128)
SPOKEN = 0.5


class Options(Record):
    """None: there is nothing to choose."""


class Resolved(Record):
    """None: the network fixes its windows."""


class Sizes(Record):
    """None: a benchmark times one window."""


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """Nothing holds beside the network."""
    return Resolved(), []


def items(path: Path) -> list[Item]:
    """The rows of an .npz, with the labels of their windows or without.

    Raises:
        DataError: it holds no samples.
    """
    with np.load(path) as arrays:
        if "samples" not in arrays:
            raise DataError(f"{path.name}: {sorted(arrays)}: want an array `samples`")
        rows = len(arrays["samples"])
        labels = arrays["labels"].tolist() if "labels" in arrays else [None] * rows
    return [Item([path, row], label) for row, label in enumerate(labels)]


def invent(source: Path, model: Model, options: Resolved, count: int, seed: int) -> list[Item]:
    """Seeds of noise, of one window: what is tried in an export must fit the network."""
    return [Item(seed * count + number) for number in range(count)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The sound behind a little silence, of shape (1, samples), and what is remembered at first."""
    sounds = (np.pad(_samples(item.input), ((0, 0), (BEFORE, 0))) for item in items)
    return [{"input": sound, "state": np.zeros(STATE, np.float32)} for sound in sounds]


def _samples(given: int | tuple[Path, int]) -> Array:
    if isinstance(given, int):
        noise = np.random.default_rng(given)
        return noise.normal(0, 0.1, (1, WINDOW)).astype(np.float32)
    path, row = given
    with np.load(path) as arrays:
        return np.array(arrays["samples"][row : row + 1], np.float32)


def sized(source: Path, model: Model, options: Resolved, sizes: Sizes) -> Tensors:
    """One window of noise."""
    return encode(invent(source, model, options, 1, 0), source, model, options)[0]


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """How likely it is in each window, of shape (1, windows)."""
    sound, state = inputs["input"], inputs["state"]
    found = []
    for start in range(0, sound.shape[1] - BEFORE, WINDOW):
        window = sound[:, start : start + BEFORE + WINDOW]
        told = networks[ir.MODEL]({"input": window, "state": state})
        state = told["stateN"]
        found.append(told["output"])
    return {"spoken": np.concatenate(found, axis=1)}


def judge(trial: Trial) -> Iterator[Figure]:
    """Whether it is the same windows as the original's, and whether they are the right ones."""
    yield metrics.max_abs_error(trial.expected, trial.measured)
    expected, measured = (
        np.concatenate([sample["spoken"][0] for sample in outputs]) > SPOKEN
        for outputs in (trial.expected, trial.measured)
    )
    alike = float(np.mean(expected == measured))
    yield Figure(metric="agreement", value=alike, samples=len(expected))
    if all(item.label is not None for item in trial.items):
        truth = np.concatenate([np.asarray(item.label) for item in trial.items]) == 1
        right = (((one == truth).astype(np.float64)) for one in (expected, measured))
        yield metrics.averaged("accuracy", *right)
