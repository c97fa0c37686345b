"""Which artifact of a model is taken: the fastest that met its gate, by this host's own evidence.

A speed is of one machine: another one's says nothing here, and without any of this host's fp16 is
taken, which is smaller and hardly another than the original. What its gate refused is never taken
unless it is asked for by its own name.
"""

import functools
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pipeline.errors import GateError, SpecError
from pipeline.evidence import Accuracy, Benchmark
from pipeline.record import Record

# What is taken where nothing is known of speed, the best first.
_UNMEASURED = ("fp16", "bf16", "fp32")


class Known(Record):
    """What is known of an artifact, of a project's catalog or of the store.

    Args:
        model: what it is a variant of.
        refused: why its gate refused it; None if it met it.
    """

    model: str
    variant: str
    precision: str
    cid: str
    refused: str | None
    accuracy: Accuracy
    benchmarks: tuple[Benchmark, ...]


class Chosen(NamedTuple):
    """An artifact, and in one sentence why it and no other."""

    known: Known
    why: str


def choose(model: str, listed: Sequence[Known], precision: str, asked: "Asked") -> Chosen:
    """The artifact of a model that is taken at a precision, or at any if that is `auto`.

    Raises:
        SpecError: there is none of that precision, or nothing tells which.
        GateError: all that there are were refused.
    """
    fitting = [known for known in listed if precision in ("auto", known.precision)]
    if not fitting:
        have = sorted({known.precision for known in listed})
        raise SpecError(f"{model}: precision {precision!r}: have {have}")
    met = [known for known in fitting if known.refused is None]
    if not met:
        first = fitting[0]
        raise GateError(
            f"{model}: {first.variant} was refused: {first.refused}; "
            "name the variant itself to take it all the same"
        )
    speeds = {known.variant: speed for known in met if (speed := _speed(known, asked))}
    if speeds:
        return _fastest(met, speeds, asked)
    return _unmeasured(model, met, precision, asked)


class Asked(NamedTuple):
    """For what it is: a device, and an INFERENCE_PRECISION_HINT or `default`."""

    device: str
    execution: str

    def __str__(self) -> str:
        at = "" if self.execution == "default" else f" at {self.execution}"
        return f"{self.device}{at}"


@functools.cache
def host_sha256() -> str:
    """What benchmarks of this machine are marked with (`steps.machine`)."""
    from pipeline.networks.session import devices
    from pipeline.steps import machine

    return hashlib.sha256(machine.described(devices()).encode()).hexdigest()


def _fastest(met: Sequence[Known], speeds: dict[str, float], asked: Asked) -> Chosen:
    best = min((known for known in met if known.variant in speeds), key=lambda k: speeds[k.variant])
    figure = f"{speeds[best.variant]:.3g} ms a request"
    if len(met) == 1:
        return Chosen(best, f"{best.variant}: the only one that met its gate; {figure} here")
    rest = len(met) - len(speeds)
    apart = f"; {rest} without a benchmark of this host left out" if rest else ""
    return Chosen(
        best,
        f"{best.variant}: of {len(speeds)} that met their gates the fastest on {asked} by this "
        f"host's own benchmarks, {figure}{apart}",
    )


def _unmeasured(model: str, met: Sequence[Known], precision: str, asked: Asked) -> Chosen:
    """Without a figure: the one there is of a precision, or of all fp16."""
    lacking = f"no benchmark of this host on {asked}"
    if precision != "auto":
        if len(met) > 1:
            names = sorted(known.variant for known in met)
            raise SpecError(f"{model}: precision {precision!r}: {lacking}: name one of {names}")
        return Chosen(met[0], f"{met[0].variant}: asked for at {precision}; it met its gate")
    for wanted in _UNMEASURED:
        for known in met:
            if known.precision == wanted:
                return Chosen(known, f"{known.variant}: {wanted}, because there is {lacking}")
    have = sorted(known.variant for known in met)
    raise SpecError(
        f"{model}: {lacking}, and no variant of {list(_UNMEASURED)}: name one of {have}"
    )


def _speed(known: Known, asked: Asked) -> float | None:
    """Milliseconds of a request here, by the geometric mean over the sizes.

    Not the ratio to the original, though both ran in turns: PyTorch suffers far more than OpenVINO
    from whoever else uses the machine, so that a noisy hour makes a variant look fast.
    """
    times = list(_times(known.benchmarks, asked))
    return math.exp(math.fsum(map(math.log, times)) / len(times)) if times else None


def _times(benchmarks: Iterable[Benchmark], asked: Asked) -> Iterator[float]:
    for benchmark in benchmarks:
        if benchmark.device == asked.device and benchmark.host_sha256 == host_sha256():
            for measured in benchmark.measurements:
                if asked.execution in ("default", measured.variant.execution_precision):
                    yield measured.variant.latency.median_ms
