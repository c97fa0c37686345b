"""Romanization: an Arabic name in, letter by letter its Latin spelling out.

The encoder reads the name; the decoder makes a letter of what it made so far, and of a state that
goes round the loop as a tensor (arabic-name-romanizer 0.2.0, `inference.py`; here without beams).
Data with labels is a table with the columns text, target; a file of lines has none.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Array, Networks, Tensors
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _tables

FILES = ("vocab.json",)
TOOLCHAIN = ("numpy", "pyarrow")
RUNS_WITH = ()
JUDGED_WITH = ("numpy", "scipy")
METRICS = {
    "same_names": Metric("higher", gate={32: 0.99, 16: 0.97, 8: 0.9, 4: 0.8}),
    "right_names": Metric(
        "higher", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.02, 4: 0.05}
    ),
    "max_abs_error": metrics.MAX_ABS_ERROR,
}
BEGIN, END = 1, 2  # as vocab.json has them
LONGEST = 32
_PREFIX = ("<UNK_COUNTRY>", "<ROLE_GIVEN>")
_LETTERS = (2, 10)  # of an invented name


class Options(Record):
    """None: there is nothing to choose."""


class Resolved(Record):
    """What letters mean.

    Args:
        letters: by their number.
    """

    letters: tuple[str, ...]


class Sizes(Record):
    """None: a benchmark times one name."""


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """The letters of the model's vocab.json.

    Raises:
        ExportError: it is not there.
    """
    letters = read_json(source / "vocab.json", dict, ExportError).get("tokens", [])
    if not letters:
        raise ExportError(f"models.{model.name}: vocab.json: no tokens: want beside: [vocab.json]")
    return Resolved(letters=tuple(letters)), []


def items(path: Path) -> list[Item]:
    """Names with their spelling, or without.

    Raises:
        DataError: naming the first row that is none.
    """
    if not _tables.holds(path):
        return [Item(line) for line in _tables.lines(path)]
    rows = _tables.rows(path, {"text": str, "target": str})
    return [Item(row["text"], row["target"]) for row in rows]


def invent(source: Path, model: Model, options: Resolved, count: int, seed: int) -> list[Item]:
    """Arabic letters in a row."""
    drawn = np.random.default_rng(seed)
    arabic = [letter for letter in options.letters if "\u0621" <= letter <= "\u064a"]
    return [Item("".join(drawn.choice(arabic, drawn.integers(*_LETTERS)))) for _ in range(count)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The numbers of the letters of each name, of shape (1, letters)."""
    number = {letter: place for place, letter in enumerate(options.letters)}
    unknown = number["<UNK>"]
    read = ([*_PREFIX, *item.input, "<EOS>"] for item in items)
    return [{"src": np.array([[number.get(one, unknown) for one in name]])} for name in read]


def sized(source: Path, model: Model, options: Resolved, sizes: Sizes) -> Tensors:
    """The first name that is invented."""
    return encode(invent(source, model, options, 1, 0), source, model, options)[0]


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """The letters, of shape (1, 32), and the logarithms of how likely all were at each place.

    Those are taken along the original's letters, so that both may be compared.
    """
    wanted = None if follow is None else _written(follow["letters"])
    letters, told = _decode(networks, inputs["src"], wanted)
    if wanted is not None:
        letters, _ = _decode(networks, inputs["src"], None)
    padded = np.zeros((1, LONGEST), np.int64)
    padded[0, : len(letters)] = letters
    return {"letters": padded, "logprobs": np.concatenate(told)[None]}


def _decode(
    networks: Networks, name: Array, wanted: Sequence[int] | None
) -> tuple[list[int], list[Array]]:
    """The letters until the end, and what the decoder said of each; or along those wanted."""
    blank = np.zeros(name.shape, np.bool_)  # none of it is padding
    made = networks[ir.ENCODER]({"src": name, "src_mask": blank})
    memory, state = made["memory_out"], made["hidden_out"]
    letters: list[int] = []
    told: list[Array] = []
    while len(letters) < (LONGEST if wanted is None else len(wanted)):
        prefix = np.array([[BEGIN, *letters]])
        step = networks[ir.DECODER](
            {"prefix": prefix, "memory": memory, "src_mask": blank, "hidden": state}
        )
        state = step["hidden_out"]
        told.append(step["logprobs"])
        best = int(np.argmax(step["logprobs"][0])) if wanted is None else wanted[len(letters)]
        letters.append(best)
        if best == END:
            break
    return letters, told


def _written(letters: Array) -> list[int]:
    """Without what fills up."""
    return [int(letter) for letter in letters[0] if letter]


def judge(trial: Trial) -> Iterator[Figure]:
    """How many names are spelt as the original spells them, and as others do."""
    said = ([{"logprobs": one["logprobs"]} for one in o] for o in (trial.expected, trial.measured))
    yield metrics.max_abs_error(*said)
    expected, measured = (
        [_spelt(one["letters"], trial.options) for one in outputs]
        for outputs in (trial.expected, trial.measured)
    )
    same = np.mean([a == b for a, b in zip(expected, measured, strict=True)])
    yield Figure(metric="same_names", value=float(same), samples=len(expected))
    truth = [item.label for item in trial.items]
    if None not in truth:
        right = (
            np.array([a == b for a, b in zip(o, truth, strict=True)]) for o in (expected, measured)
        )
        yield metrics.averaged("right_names", *(one.astype(np.float64) for one in right))


def answer(outcome: Outcome) -> str:
    """The spelling."""
    return _spelt(outcome.outputs["letters"], outcome.options)


def _spelt(letters: Array, options: Resolved) -> str:
    return "".join(options.letters[letter] for letter in _written(letters) if letter != END)
