"""Measured facts about a variant: accuracy against the reference, and benchmarks on a device.

Evidence says what was measured, where, and with which versions. Judging it is `pipeline.gate`.
"""

from pydantic import Field

from pipeline.figure import Figure, ValidatedOn
from pipeline.record import Line, Record


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
        original: what the outputs are held against.
        validated_on: items with `labels`; `inputs` without; or `invented` inputs, made of a seed,
            because the model has no data. Without labels nothing is known of the task.
    """

    variant: str
    cid: str
    device: str
    execution_devices: tuple[str, ...]
    validated_on: ValidatedOn
    original: Line = "PyTorch eager fp32"
    executions: tuple[Execution, ...]

    @property
    def default(self) -> Execution:
        """The execution at the device's own default precision: what a consumer gets."""
        return next(e for e in self.executions if e.requested == "default")


class Latency(Record):
    """One request at a time, at the size's own batch.

    Args:
        median_ms, p90_ms, p99_ms: of the time of one request, over all rounds.
        threads: CPU threads it was told to use.
        spread: interquartile range over median of the rounds' medians; how noisy the run was.
    """

    median_ms: float
    p90_ms: float
    p99_ms: float
    requests: int
    threads: int
    spread: float


class Throughput(Record):
    """As many requests at a time as the runtime likes.

    Args:
        per_s: items (not requests) finished per second; median over rounds.
        batch: items of a request; the baseline has that of a few which was fastest.
        streams: requests in flight.
        threads: CPU threads it was told to use.
        spread: interquartile range over median of the rounds' figures.
    """

    per_s: float
    batch: int
    streams: int
    threads: int
    spread: float


class Generation(Record):
    """How fast tokens come, of what makes one after the other.

    Args:
        first_token_ms: from the request to the first token.
        next_token_ms: for each further one; None where there is none.
        tokens_per_s: over the whole request, of all items of its batch.
    """

    first_token_ms: float = Field(gt=0)
    next_token_ms: float | None = Field(gt=0)
    tokens_per_s: float = Field(gt=0)


class Contender(Record):
    """One runtime's figures at one size; each contender ran in a process of its own.

    Args:
        name: `OpenVINO`, or what the exporter calls its original (`PyTorch eager fp32`).
        load_ms: reading the model from disk, with all that is imported there already.
        compile_ms: making it ready to run; 0 where the runtime has no such step.
        peak_memory_bytes: the largest resident set of the process that latency was measured in,
            with its libraries and one model, when it had served this size and no larger one; that
            of the baseline has also made the inputs.
        generation: medians over the latency's requests; None of what does not generate.
        real_time_factor: time of a request over that of the sound in it; None of what is no sound.
    """

    name: str
    load_ms: float
    compile_ms: float
    latency: Latency
    throughput: Throughput
    peak_memory_bytes: int
    execution_devices: tuple[str, ...]
    execution_precision: str
    generation: Generation | None = None
    real_time_factor: float | None = None


class Measurement(Record):
    """A variant and its baseline at one size, measured in turns in one run.

    latency_speedup and throughput_speedup are medians of the rounds' own ratios, baseline over
    variant and variant over baseline, so that a slow spell of the machine hits both sides.
    others_cpu_share is the part of all time of the CPUs that we may run on that other processes,
    and other guests of the hypervisor, took during the run: PyTorch eager suffers far more from
    them than OpenVINO does. It is None where the kernel does not say.
    served is the variant in openvino.genai, with as many tokens, right after them; None where that
    is not installed, or has nothing for the task.
    """

    sizes: dict[str, int]
    variant: Contender
    baseline: Contender
    latency_speedup: float
    throughput_speedup: float
    rounds: int
    seconds_per_round: float
    input_shapes: dict[str, tuple[int, ...]]
    others_cpu_share: float | None
    served: Generation | None = None


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
