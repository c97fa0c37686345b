"""What a benchmark compares, each in a child process of its own: OpenVINO, and PyTorch eager.

Both answer the same calls: `ready`, `latency`, `throughput`, `usage`; what they answer is held
against the records here, because the original may run code that came with the model.
"""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline import kinds
from pipeline.networks import ir, samples
from pipeline.networks.inputs import fit
from pipeline.networks.session import (
    compile_model,
    device_property,
    execution_devices,
    execution_precision,
)
from pipeline.record import Line, Record
from pipeline.steps import _source

WARM_UP = 5
_Positive = Annotated[float, Field(gt=0)]


class Ready(Record):
    """What it took to get ready, and how it runs; as of `evidence.Contender`."""

    name: Line
    load_ms: float = Field(ge=0)
    compile_ms: float = Field(ge=0)
    threads: int = Field(ge=1)
    streams: int = Field(ge=1)
    execution_devices: tuple[Line, ...]
    execution_precision: Line


class Latencies(Record):
    """Milliseconds of each request of one turn."""

    latencies_ms: tuple[_Positive, ...] = Field(min_length=1)


class Rate(Record):
    """Requests finished per second of one turn."""

    per_s: _Positive


class Usage(Record):
    """CPU seconds of all threads, and the largest resident set in bytes."""

    cpu_s: float = Field(ge=0)
    peak_memory_bytes: int = Field(ge=0)


class OpenVINO:
    """An IR on a device: one request in flight for latency, all streams for throughput."""

    def __init__(self, folder: Path, device: str, inputs: Path) -> None:
        import openvino as ov

        started = time.perf_counter()
        model = ir.read(folder)
        self._load_ms = _since_ms(started)
        self._inputs = fit(samples.load(inputs)[0], [port.any_name for port in model.inputs])
        started = time.perf_counter()
        self._single = compile_model(model, device, hint="LATENCY")
        self._compile_ms = _since_ms(started)
        self._request = self._single.create_infer_request()
        self._queue = ov.AsyncInferQueue(compile_model(model, device, hint="THROUGHPUT"))
        for _ in range(WARM_UP):
            self._infer()
        self.throughput(0.1)

    def ready(self) -> dict[str, Any]:
        """What it took to get here, and how it runs."""
        try:
            threads = int(device_property(self._single, "INFERENCE_NUM_THREADS"))
        except (KeyError, RuntimeError):  # the device has no CPU threads of its own
            threads = len(os.sched_getaffinity(0))
        return {
            "name": "openvino",
            "load_ms": self._load_ms,
            "compile_ms": self._compile_ms,
            "threads": threads,
            "streams": len(self._queue),
            "execution_devices": list(execution_devices(self._single)),
            "execution_precision": execution_precision(self._single),
        }

    def latency(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of each request of one turn."""
        return {"latencies_ms": _latencies(self._infer, seconds)}

    def throughput(self, seconds: float) -> dict[str, Any]:
        """Requests finished per second of one turn, all streams busy."""
        started = time.perf_counter()
        requests = 0
        while time.perf_counter() - started < seconds:
            self._queue.start_async(self._inputs, share_inputs=True)
            requests += 1
        self._queue.wait_all()
        return {"per_s": requests / (time.perf_counter() - started)}

    def usage(self) -> dict[str, Any]:
        """What the process has taken so far."""
        return _usage()

    def _infer(self) -> None:
        self._request.infer(self._inputs, share_inputs=True, share_outputs=True)


class PyTorch:
    """The original model in eager mode at fp32, on the CPU, one request after another."""

    def __init__(self, given: _source.Given, inputs: Path, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        model, source, _ = _source.opened(given)
        self._task = kinds.load("task", model.task)
        self._options, _ = self._task.resolve(model, source)
        self._inputs = samples.load(inputs)[0]
        started = time.perf_counter()
        self._networks = kinds.load("format", model.format).original(source, model)
        self._load_ms = _since_ms(started)
        for _ in range(WARM_UP):
            self._infer()

    def ready(self) -> dict[str, Any]:
        """What it took to get here, and how it runs."""
        import torch

        return {
            "name": "pytorch",
            "load_ms": self._load_ms,
            "compile_ms": 0.0,
            "threads": torch.get_num_threads(),
            "streams": 1,
            "execution_devices": ["CPU"],
            "execution_precision": "f32",
        }

    def latency(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of each request of one turn."""
        return {"latencies_ms": _latencies(self._infer, seconds)}

    def throughput(self, seconds: float) -> dict[str, Any]:
        """Requests finished per second of one turn."""
        started = time.perf_counter()
        requests = len(_latencies(self._infer, seconds))
        return {"per_s": requests / (time.perf_counter() - started)}

    def usage(self) -> dict[str, Any]:
        """What the process has taken so far."""
        return _usage()

    def _infer(self) -> None:
        self._task.run(self._networks, self._inputs, self._options)


def _latencies(infer: Callable[[], None], seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end or not times:
        infer()
        times.append(_since_ms(started))
    return times


def _since_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1e3


def _usage() -> dict[str, Any]:
    """CPU seconds of all threads, and the largest resident set in bytes.

    The latter is of this process alone: it was forked, and execve(2) would have kept its parent's.
    """
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu_s": time.process_time(), "peak_memory_bytes": peak_kib * 1024}
