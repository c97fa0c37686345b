"""What a benchmark compares, each in a child process of its own: OpenVINO, and PyTorch eager.

Both answer the same calls: `ready`, `latency`, `throughput`, `usage`.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.networks import ir, samples
from pipeline.networks.session import (
    compile_model,
    device_property,
    execution_devices,
    execution_precision,
)

WARM_UP = 5


class OpenVINO:
    """An IR on a device: one request in flight for latency, all streams for throughput."""

    def __init__(self, folder: Path, device: str, inputs: Path) -> None:
        import openvino as ov

        self._inputs = dict(samples.load(inputs)[0])
        started = time.perf_counter()
        model = ir.read(folder)
        self._load_ms = _since_ms(started)
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

    def latency(self, seconds: float) -> list[float]:
        """Milliseconds of each request of one turn."""
        return _latencies(self._infer, seconds)

    def throughput(self, seconds: float) -> float:
        """Requests finished per second of one turn, all streams busy."""
        started = time.perf_counter()
        requests = 0
        while time.perf_counter() - started < seconds:
            self._queue.start_async(self._inputs, share_inputs=True)
            requests += 1
        self._queue.wait_all()
        return requests / (time.perf_counter() - started)

    def usage(self) -> dict[str, float]:
        """What the process has taken so far."""
        return _usage()

    def _infer(self) -> None:
        self._request.infer(self._inputs, share_inputs=True, share_outputs=True)


class PyTorch:
    """The original model in eager mode at fp32, on the CPU, one request after another."""

    def __init__(self, source: Path, fields: dict[str, object], inputs: Path, threads: int) -> None:
        import torch

        from pipeline.spec import Model

        torch.set_num_threads(threads)
        model = Model.from_dict(fields)
        task = kinds.load("task", model.task)
        self._inputs = samples.load(inputs)[0]
        started = time.perf_counter()
        self._run = task.original(model, source)
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

    def latency(self, seconds: float) -> list[float]:
        """Milliseconds of each request of one turn."""
        return _latencies(self._infer, seconds)

    def throughput(self, seconds: float) -> float:
        """Requests finished per second of one turn."""
        started = time.perf_counter()
        return len(_latencies(self._infer, seconds)) / (time.perf_counter() - started)

    def usage(self) -> dict[str, float]:
        """What the process has taken so far."""
        return _usage()

    def _infer(self) -> None:
        self._run(self._inputs)


def _latencies(infer: Callable[[], None], seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end or not times:
        infer()
        times.append(_since_ms(started))
    return times


def _since_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1e3


def _usage() -> dict[str, float]:
    """CPU seconds of all threads, and the largest resident set in bytes.

    The latter is VmHWM of proc(5): unlike ru_maxrss it knows nothing of the process before exec.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"cpu_s": time.process_time(), "peak_memory_bytes": int(peak_kib) * 1024}
