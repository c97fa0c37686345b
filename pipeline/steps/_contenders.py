"""What a benchmark compares, each in a child process of its own: OpenVINO, and the original.

An artifact whose request is one call of one network is driven as OpenVINO likes, with a queue of
requests; one that generates or has several networks runs its task's own loop, as the original does.
All answer `feed`, `ready`, `latency` and `throughput`; what they answer is held against the
records here, because the original may run code that came with the model.
"""

import contextlib
import gc
import math
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline import kinds
from pipeline.errors import DataError
from pipeline.evidence import Generation
from pipeline.networks import description, ir, ports, samples
from pipeline.networks.inputs import fit
from pipeline.networks.session import (
    Hint,
    compile_model,
    device_property,
    execution_devices,
    execution_precision,
)
from pipeline.networks.sessions import open_session
from pipeline.networks.tensors import Tensors
from pipeline.record import Line, Record
from pipeline.steps import _source
from pipeline.steps._loop import WARM_UP, Loop, latencies, since_ms

if TYPE_CHECKING:
    import openvino as ov

_TRIAL_S = 0.2
_BATCHES = (8, 32)  # that eager frameworks like
_Positive = Annotated[float, Field(gt=0)]


class Ready(Record):
    """What it took to get ready, and how it runs; as of `evidence.Contender`."""

    name: Line
    load_ms: float = Field(ge=0)
    compile_ms: float = Field(ge=0)
    threads: int = Field(ge=1)
    streams: int = Field(ge=1)
    batch: int = Field(ge=1)
    execution_devices: tuple[Line, ...]
    execution_precision: Line
    peak_memory_bytes: int = Field(ge=0)


class Input(Record):
    """What is fed at one size.

    Args:
        batch: items at once.
        seconds: of sound in each; None of what is no sound.
        shapes: by tensor name.
    """

    batch: int = Field(ge=1)
    seconds: float | None = Field(gt=0)
    shapes: dict[Line, tuple[int, ...]]

    @property
    def largest(self) -> tuple[int, ...]:
        """The shape with most elements."""
        return max(self.shapes.values(), key=math.prod)


class Latencies(Record):
    """Milliseconds of each request of one turn; and, of what generates, of its tokens."""

    latencies_ms: tuple[_Positive, ...] = Field(min_length=1)
    generations: tuple[Generation, ...] = ()


class Rate(Record):
    """Items finished per second of one turn."""

    per_s: _Positive


def loops(folder: Path) -> bool:
    """Whether an artifact has several networks, or one that remembers."""
    return ir.networks(folder) != [ir.MODEL] or bool(ir.read(folder).get_sinks())


class OpenVINO:
    """An IR on a device, compiled once and for one hint: what another model takes is not in it.

    Args:
        folder: the IR folder.
        device: an OpenVINO device name.
        hint: LATENCY for `latency`, THROUGHPUT for `throughput`.
    """

    def __init__(self, folder: Path, device: str, hint: Hint) -> None:
        import openvino as ov

        ir.read(folder)  # which loads libraries and fills the page cache, as the original's first
        started = time.perf_counter()
        model = ir.read(folder)
        self._load_ms = since_ms(started)
        started = time.perf_counter()
        self._compiled = compile_model(model, device, hint=hint)
        self._compile_ms = since_ms(started)
        self._queue = ov.AsyncInferQueue(self._compiled)  # of as many requests as the hint wants
        self._request = self._queue[0]

    def feed(self, path: Path, batch: int) -> None:
        """Take these inputs of so many items from here on, and warm up."""
        self._batch = batch
        taking = {ports.name(port): port for port in self._compiled.inputs}
        self._inputs = fit(samples.load(path)[0], taking)
        for name, port in taking.items():
            ports.check_shape(port, self._inputs[name].shape)
        for _ in range(WARM_UP):
            self._infer()
        self.throughput(_TRIAL_S)

    def ready(self) -> dict[str, Any]:
        """What it took to get here, and how it runs."""
        return {
            "load_ms": self._load_ms,
            "compile_ms": self._compile_ms,
            "streams": len(self._queue),
            "batch": self._batch,
            **_running(self._compiled),
        }

    def latency(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of each request of one turn."""
        return {"latencies_ms": latencies(self._infer, seconds)}

    def throughput(self, seconds: float) -> dict[str, Any]:
        """Items finished per second of one turn, all streams busy."""
        started = time.perf_counter()
        requests = 0
        while time.perf_counter() - started < seconds:
            self._queue.start_async(self._inputs, share_inputs=True)
            requests += 1
        self._queue.wait_all()
        return {"per_s": self._batch * requests / (time.perf_counter() - started)}

    def _infer(self) -> None:
        self._request.infer(self._inputs, share_inputs=True, share_outputs=True)


class OpenVINOLoop(Loop):
    """An artifact on a device in its task's loop.

    One request at a time has nothing to gain from a device that is tuned for several, so it is
    tuned for latency whichever is measured.

    Args:
        folder: the IR folder.
        device: an OpenVINO device name.
    """

    def __init__(self, folder: Path, device: str) -> None:
        told = description.read(folder)
        task = kinds.load("task", told.task)
        for name in told.networks:
            ir.read(folder, name)  # as for `OpenVINO`
        started = time.perf_counter()
        for name in told.networks:
            ir.read(folder, name)
        self._load_ms = since_ms(started)
        started = time.perf_counter()
        sessions = {n: open_session(ir.read(folder, n), device) for n in told.networks}
        self._compile_ms = max(0.0, since_ms(started) - self._load_ms)  # which is in it once more
        super().__init__(task, task.Resolved.from_dict(told.options), sessions)
        self._compiled = next(iter(sessions.values())).compiled

    def ready(self) -> dict[str, Any]:
        """What it took to get here, and how it runs."""
        return {
            "load_ms": self._load_ms,
            "compile_ms": self._compile_ms,
            "streams": 1,
            "batch": self._batch,
            **_running(self._compiled),
        }


class Original(Loop):
    """The original model at fp32 on the CPU, as its exporter runs it, one request after another.

    It is loaded twice, and the second time counts: the first imports 1900 modules on its way
    (optimum's and transformers' own, put off until then), and reads the files into the page cache.
    """

    def __init__(self, given: _source.Given) -> None:
        self._model, self._source, _ = _source.opened(given)
        task = kinds.load("task", self._model.task)
        options, _ = task.resolve(self._model, self._source)
        exporter = kinds.load("format", self._model.format)
        self._name, self._let_use = exporter.baseline(), exporter.use_threads
        exporter.original(self._source, self._model)
        gc.collect()  # so that one is in memory at a time: networks hold cycles
        started = time.perf_counter()
        networks = exporter.original(self._source, self._model)
        self._load_ms = since_ms(started)
        super().__init__(task, options, networks)

    def make_inputs(
        self, sizes: Sequence[dict[str, int]], paths: Sequence[Path]
    ) -> list[dict[str, Any]]:
        """Write an input of each size for both contenders; what each is, as of `Input`."""
        made = []
        for wanted, path in zip(sizes, paths, strict=True):
            inputs = self._sized(wanted)
            samples.save([inputs], path)
            sizes = self._task.Sizes.from_dict(wanted)
            shapes = {name: list(array.shape) for name, array in inputs.items()}
            batch, seconds = getattr(sizes, "batch", 1), getattr(sizes, "seconds", None)
            made.append({"batch": batch, "seconds": seconds, "shapes": shapes})
        return made

    def use_threads(self, threads: int) -> None:
        """Run on so many threads from here on."""
        self._threads = threads
        self._let_use(threads)

    def widen(self, wanted: dict[str, int], streams: int) -> None:
        """Take the batch that gives most items per second, of a few that are tried briefly.

        One that the model cannot take, or the memory, is none. What the other side takes one after
        another stays at its own.

        Args:
            wanted: the size.
            streams: requests that the other contender has in flight.
        """
        if "batch" not in self._task.Sizes.model_fields or not self.is_one_call:
            return
        rates: dict[int, float] = {}
        for batch in batches(self._batch, streams):
            with contextlib.suppress(DataError, MemoryError, RuntimeError):
                self._fill(wanted, batch)
                self.run()
                rates[batch] = batch / min(latencies(self.run, _TRIAL_S))
        self._fill(wanted, max(rates, key=rates.__getitem__))

    def ready(self) -> dict[str, Any]:
        """What it took to get here, and how it runs."""
        return {
            "name": self._name,
            "load_ms": self._load_ms,
            "compile_ms": 0.0,
            "threads": self._threads,
            "streams": 1,
            "batch": self._batch,
            "execution_devices": ["CPU"],
            "execution_precision": "f32",
            "peak_memory_bytes": _peak_memory_bytes(),
        }

    def _fill(self, wanted: dict[str, int], batch: int) -> None:
        self.take(self._sized(wanted | {"batch": batch}), batch)

    def _sized(self, wanted: dict[str, int]) -> Tensors:
        sizes = self._task.Sizes.from_dict(wanted)
        inputs: Tensors = self._task.sized(self._source, self._model, self._options, sizes)
        return inputs


def batches(own: int, streams: int) -> list[int]:
    """The batches that the original is tried at for throughput.

    Its own, as many items as OpenVINO has in flight, and those that eager frameworks like.
    """
    return sorted({own, own * streams, *(batch for batch in _BATCHES if batch > own)})


def _running(compiled: "ov.CompiledModel") -> dict[str, Any]:
    """How a compiled model runs, and what its process took so far; a part of `Ready`."""
    try:
        threads = int(device_property(compiled, "INFERENCE_NUM_THREADS"))
    except (KeyError, RuntimeError):  # the device has no CPU threads of its own
        threads = len(os.sched_getaffinity(0))
    return {
        "name": "OpenVINO",
        "threads": threads,
        "execution_devices": list(execution_devices(compiled)),
        "execution_precision": execution_precision(compiled),
        "peak_memory_bytes": _peak_memory_bytes(),
    }


def _peak_memory_bytes() -> int:
    """The largest resident set so far.

    Of this process alone: it was forked, and execve(2) would have kept its parent's.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
