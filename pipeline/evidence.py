"""Measured facts about a variant: accuracy against the reference, and benchmarks on a device.

Evidence says what was measured, where, and with which versions. Judging it is `pipeline.gate`.
"""

from pipeline.record import Record


class LengthBucket(Record):
    """The cosines of the samples whose inputs are at most this long, and longer than the last.

    Args:
        up_to: length of the longest input that belongs here, in the task's own unit (tokens).
    """

    up_to: int
    cosine_mean: float
    cosine_min: float
    samples: int


class Fidelity(Record):
    """A variant's outputs against the original framework's at fp32, on the same inputs.

    cosine_mean and cosine_min are over samples; max_abs_error is over all output elements, in the
    output's own unit; by_length splits the cosines, because quantization loses more on some.
    """

    cosine_mean: float
    cosine_min: float
    max_abs_error: float
    samples: int
    by_length: tuple[LengthBucket, ...]


class TaskScore(Record):
    """The task's own metric on labelled data, for the reference and the variant.

    drop is reference minus variant; drop_low and drop_high bound its 95 % interval by the paired
    percentile bootstrap (Efron and Tibshirani 1993, chapter 13).
    """

    metric: str
    reference: float
    variant: float
    drop: float
    drop_low: float
    drop_high: float
    samples: int
    resamples: int


class Execution(Record):
    """What was measured at one execution precision.

    Args:
        requested: the INFERENCE_PRECISION_HINT that was set, or `default` where none was.
        precision: what the device said it runs at.
    """

    requested: str
    precision: str
    fidelity: Fidelity
    task: TaskScore
    tokenizer_agreement: float

    @property
    def name(self) -> str:
        """How a report calls it: `f32`, or `default (bf16)`."""
        if self.requested == self.precision:
            return self.precision
        return f"{self.requested} ({self.precision})"

    def figures(self) -> dict[str, float]:
        """The figures that a gate may bound, by metric name."""
        return {
            "cosine_mean": self.fidelity.cosine_mean,
            "cosine_min": self.fidelity.cosine_min,
            "max_abs_error": self.fidelity.max_abs_error,
            "task_score": self.task.variant,
            "task_drop": self.task.drop,
            "tokenizer_agreement": self.tokenizer_agreement,
        }


class Accuracy(Record):
    """How near a variant is to the original, on one device, at each execution precision."""

    variant: str
    cid: str
    device: str
    execution_devices: tuple[str, ...]
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


class Comparison(Record):
    """A variant and its baseline, measured in turns in one run.

    latency_speedup and throughput_speedup are medians of the rounds' own ratios, baseline over
    variant and variant over baseline, so that a slow spell of the machine hits both sides.
    others_cpu_share is the part of all CPU time that other processes, and other guests of the
    hypervisor, took during the run: PyTorch eager suffers far more from them than OpenVINO does.
    """

    variant: Contender
    baseline: Contender
    latency_speedup: float
    throughput_speedup: float
    rounds: int
    seconds_per_round: float
    input_shapes: dict[str, tuple[int, ...]]
    others_cpu_share: float


class Benchmark(Record):
    """A variant on one device of one machine; `unavailable` says why there is no figure."""

    variant: str
    cid: str
    device: str
    host_sha256: str
    unavailable: str | None
    comparison: Comparison | None
