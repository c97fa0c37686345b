"""benchmark: a variant on a device against PyTorch eager fp32, in turns in one run.

Same inputs, same number of threads, a process each. The machine's speed drifts, so every round
gives a ratio of its own and the median of those is the figure.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from pipeline import kinds
from pipeline.evidence import Benchmark, Contender, Latency, Measurement
from pipeline.host import atomic, sandbox
from pipeline.host.progress import track
from pipeline.host.walls import Access
from pipeline.ipfs.unixfs.importer import folder_cid
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.networks.session import absence
from pipeline.spec import BenchmarkSpec, Params, Variant
from pipeline.steps import _source
from pipeline.steps._contenders import Latencies, Rate, Ready, Usage

T = TypeVar("T")

_CONTENDERS = "pipeline.steps._contenders"


class Turns(Protocol):
    """A contender in its child process."""

    def call(self, name: str, *args: object, returns: type[T]) -> T:
        """The answer of the contender."""


def benchmark(params: Params, variant: Variant, layout: Layout, *, device: str) -> Benchmark:
    """Write artifacts/benchmark/<variant>-<device>.json; a device that is not there is said so."""
    log = layout.log(f"benchmark-{variant.name}-{device}")
    host = layout.host.read_bytes()
    unavailable = absence(device, json.loads(host)["devices"])
    measurements: list[Measurement] = []
    if unavailable is None:
        for sizes in params.sizes(params.model(variant.model)):
            with atomic.building(layout.work, f"benchmark/{variant.name}-{device}") as scratch:
                measurements.append(_compare(params, variant, device, sizes, layout, scratch, log))
    record = Benchmark(
        variant=variant.name,
        cid=str(folder_cid(layout.ir(variant.name))),
        device=device,
        host_sha256=hashlib.sha256(host).hexdigest(),
        unavailable=unavailable,
        measurements=tuple(measurements),
    )
    atomic.write_text(record.json(), layout.benchmark(variant.name, device), layout.work)
    return record


def _compare(
    params: Params,
    variant: Variant,
    device: str,
    sizes: dict[str, int],
    layout: Layout,
    scratch: Path,
    log: Path,
) -> Measurement:
    model, made = params.model(variant.model), atomic.folder(scratch / "made")
    given, inputs = _source.given(model, layout), made / "inputs.npz"
    folder, nothing = layout.ir(variant.name).resolve(), type(None)
    with (
        _source.child(given, scratch=made, log=log) as theirs,
        sandbox.Child(
            scratch=atomic.folder(scratch / "ours"),
            log=log,
            access=Access(reads=(folder, made), devices=True),
            limits=model.limits,
        ) as ours,
    ):
        shapes = theirs.call(
            "pipeline.steps.benchmark:make_inputs",
            given,
            sizes,
            inputs,
            returns=dict[str, tuple[int, ...]],
        )
        ours.call(f"{_CONTENDERS}:OpenVINO", folder, device, inputs, returns=nothing)
        threads = ours.call("ready", returns=Ready).threads
        theirs.call(f"{_CONTENDERS}:PyTorch", given, inputs, threads, returns=nothing)
        return compare(ours, theirs, params.benchmark, shapes, sizes)


def make_inputs(given: _source.Given, wanted: dict[str, int], out: Path) -> dict[str, list[int]]:
    """In a child: write one input of that size; returns its shapes by tensor name."""
    model, source, _ = _source.opened(given)
    task = kinds.load("task", model.task)
    options, _ = task.resolve(model, source)
    inputs = task.sized(source, model, options, task.Sizes.from_dict(wanted))
    samples.save([inputs], out)
    return {name: list(array.shape) for name, array in inputs.items()}


def compare(
    ours: Turns,
    theirs: Turns,
    spec: BenchmarkSpec,
    shapes: dict[str, tuple[int, ...]],
    sizes: dict[str, int],
) -> Measurement:
    """Let two contenders take turns; who goes first alternates."""
    latencies: dict[Turns, list[tuple[float, ...]]] = {ours: [], theirs: []}
    throughputs: dict[Turns, list[float]] = {ours: [], theirs: []}
    turn_s = spec.seconds / spec.rounds
    cpu = _Cpu(ours, theirs)
    for round_index in track(range(spec.rounds), spec.rounds, "benchmark"):
        order = (ours, theirs) if round_index % 2 == 0 else (theirs, ours)
        for contender in order:
            turn = contender.call("latency", turn_s, returns=Latencies)
            latencies[contender].append(turn.latencies_ms)
        for contender in order:
            rate = contender.call("throughput", turn_s, returns=Rate)
            throughputs[contender].append(rate.per_s)
    medians = {c: np.array([np.median(turn) for turn in latencies[c]]) for c in latencies}
    rates = {c: np.array(throughputs[c]) for c in throughputs}
    return Measurement(
        sizes=sizes,
        variant=_figures(ours, latencies[ours], throughputs[ours]),
        baseline=_figures(theirs, latencies[theirs], throughputs[theirs]),
        latency_speedup=float(np.median(medians[theirs] / medians[ours])),
        throughput_speedup=float(np.median(rates[ours] / rates[theirs])),
        rounds=spec.rounds,
        seconds_per_round=turn_s,
        input_shapes=shapes,
        others_cpu_share=cpu.others_share(),
    )


def _figures(contender: Turns, turns: list[tuple[float, ...]], rates: list[float]) -> Contender:
    requests = np.concatenate(turns)
    ready = contender.call("ready", returns=Ready)
    return Contender(
        name=ready.name,
        load_ms=ready.load_ms,
        compile_ms=ready.compile_ms,
        latency=Latency(
            median_ms=float(np.median(requests)),
            p90_ms=float(np.percentile(requests, 90)),
            p99_ms=float(np.percentile(requests, 99)),
            requests=len(requests),
        ),
        throughput_per_s=float(np.median(rates)),
        peak_memory_bytes=contender.call("usage", returns=Usage).peak_memory_bytes,
        threads=ready.threads,
        streams=ready.streams,
        execution_devices=ready.execution_devices,
        execution_precision=ready.execution_precision,
        latency_spread=_spread([float(np.median(turn)) for turn in turns]),
        throughput_spread=_spread(rates),
    )


def _spread(figures: list[float]) -> float:
    """The interquartile range over the median."""
    low, middle, high = np.percentile(figures, [25, 50, 75])
    return float((high - low) / middle)


class _Cpu:
    """The machine's CPU time from here on, and how much of it went to others than us."""

    def __init__(self, *contenders: Turns) -> None:
        self._contenders = contenders
        self._since = self._seconds()

    def others_share(self) -> float:
        """The part of all CPU time since the start that was neither idle nor ours."""
        total, busy, own = np.subtract(self._seconds(), self._since)
        return float(max(busy - own, 0.0) / total)

    def _seconds(self) -> tuple[float, float, float]:
        """All CPU time, what of it was not idle, and our own (proc(5), /proc/stat)."""
        line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        ticks = [int(field) for field in line.split()[1:9]]  # user to steal; guest is in user
        total, idle = sum(ticks), ticks[3] + ticks[4]
        used = [contender.call("usage", returns=Usage) for contender in self._contenders]
        own = time.process_time() + sum(usage.cpu_s for usage in used)
        hertz = os.sysconf("SC_CLK_TCK")
        return total / hertz, (total - idle) / hertz, own
