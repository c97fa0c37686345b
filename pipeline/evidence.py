"""Measured facts about a variant: accuracy against the reference, and benchmarks on a device.

Evidence says what was measured, where, and with which versions. Judging it is `pipeline.gate`.
"""

from typing import Literal

from pipeline.figure import Figure
from pipeline.record import Record


class Execution(Record):
    """What was measured at one execution precision.

    Args:
        requested: the INFERENCE_PRECISION_HINT that was set, or `default` where none was.
        precision: what the device said it runs at.
    """

    requested: str
    precision: str
    figures: tuple[Figure, ...]

    @property
    def name(self) -> str:
        """How a report calls it: `f32`, or `default (bf16)`."""
        if self.requested == self.precision:
            return self.precision
        return f"{self.requested} ({self.precision})"

    def bounded(self) -> dict[str, float]:
        """The figures that a gate may bound, by name: of all inputs, with their drops."""
        found: dict[str, float] = {}
        for figure in self.figures:
            if figure.part is None:
                found[figure.metric] = figure.value
                if figure.drop is not None:
                    found[f"{figure.metric}_drop"] = figure.drop.value
                    found[f"{figure.metric}_drop_high"] = figure.drop.high
        return found


class Accuracy(Record):
    """How near a variant is to the original, on one device, at each execution precision.

    Args:
        validated_on: items with `labels`; `inputs` without; or `invented` inputs, made of a seed,
            because the model has no data. Without labels nothing is known of the task.
    """

    variant: str
    cid: str
    device: str
    execution_devices: tuple[str, ...]
    validated_on: Literal["labels", "inputs", "invented"]
    executions: tuple[Execution, ...]

    @property
    def default(self) -> Execution:
        """The execution at the device's own default precision: what a consumer gets."""
        return next(e for e in self.executions if e.requested == "default")


class Latency(Record):
    """The distribution of one request's time, batch 1, in milliseconds."""

    median_ms: float
    p90_ms: float
    p99_ms: float
    requests: int


class Contender(Record):
    """One runtime's figures; each contender ran in a process of its own.

    Args:
        name: `openvino` or `pytorch`.
        load_ms: reading the model from disk.
        compile_ms: making it ready to run; 0 where the runtime has no such step.
        throughput_per_s: requests finished per second, all streams busy; median over rounds.
        peak_memory_bytes: the largest resident set of the process, with its libraries; that of
            the baseline has also made the inputs.
        threads: CPU threads it was told to use.
        streams: requests in flight during throughput.
        latency_spread, throughput_spread: interquartile range over median of the rounds' figures;
            how noisy the run was.
    """

    name: str
    load_ms: float
    compile_ms: float
    latency: Latency
    throughput_per_s: float
    peak_memory_bytes: int
    threads: int
    streams: int
    execution_devices: tuple[str, ...]
    execution_precision: str
    latency_spread: float
    throughput_spread: float


class Measurement(Record):
    """A variant and its baseline at one size, measured in turns in one run.

    latency_speedup and throughput_speedup are medians of the rounds' own ratios, baseline over
    variant and variant over baseline, so that a slow spell of the machine hits both sides.
    others_cpu_share is the part of all CPU time that other processes, and other guests of the
    hypervisor, took during the run: PyTorch eager suffers far more from them than OpenVINO does.
    """

    sizes: dict[str, int]
    variant: Contender
    baseline: Contender
    latency_speedup: float
    throughput_speedup: float
    rounds: int
    seconds_per_round: float
    input_shapes: dict[str, tuple[int, ...]]
    others_cpu_share: float


class Benchmark(Record):
    """A variant on one device of one machine; `unavailable` says why there is no figure.

    Args:
        measurements: one for each of the model's sizes, in their order.
    """

    variant: str
    cid: str
    device: str
    host_sha256: str
    unavailable: str | None
    measurements: tuple[Measurement, ...]
