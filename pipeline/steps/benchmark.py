"""benchmark: a variant on a device against the original at fp32, in turns in one run.

Same inputs, same number of threads, a process each. The machine's speed drifts, so every round
gives a ratio of its own and the median of those is the figure. Latency comes first and throughput
after it, at all sizes each, because a device is tuned for one of the two: OpenVINO has a process
for each, and never two models compiled in one.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from pipeline.evidence import Benchmark, Contender, Latency, Measurement, Throughput
from pipeline.host import atomic, cpu, sandbox
from pipeline.host.cpu import Ticks
from pipeline.host.progress import track
from pipeline.host.sandbox import Child
from pipeline.host.walls import Access
from pipeline.ipfs.unixfs.importer import folder_cid
from pipeline.layout import Layout
from pipeline.networks.session import Hint, absence
from pipeline.networks.tensors import Vector
from pipeline.spec import BenchmarkSpec, Limits, Params, Variant
from pipeline.steps import _source
from pipeline.steps._contenders import Input, Latencies, Rate, Ready

T = TypeVar("T")

_CONTENDERS = "pipeline.steps._contenders"


class Pair(NamedTuple):
    """The child processes of OpenVINO and of the original."""

    ours: Child
    theirs: Child


class Run(NamedTuple, Generic[T]):
    """What a contender answered in its turns at one size, and how it ran."""

    answers: list[T]
    ready: Ready


class Turns(NamedTuple, Generic[T]):
    """Both contenders' turns at one size, and the machine's CPU time meanwhile."""

    ours: Run[T]
    theirs: Run[T]
    spent: Ticks


def benchmark(params: Params, variant: Variant, layout: Layout, *, device: str) -> Benchmark:
    """Write artifacts/benchmark/<variant>-<device>.json; a device that is not there is said so."""
    host = layout.host.read_bytes()
    unavailable = absence(device, json.loads(host)["devices"])
    record = Benchmark(
        variant=variant.name,
        cid=str(folder_cid(layout.ir(variant.name))),
        device=device,
        host_sha256=hashlib.sha256(host).hexdigest(),
        unavailable=unavailable,
        measurements=() if unavailable else measure(params, variant, layout, device=device),
    )
    atomic.write_text(record.json(), layout.benchmark(variant.name, device), layout.work)
    return record


def measure(
    params: Params, variant: Variant, layout: Layout, *, device: str
) -> tuple[Measurement, ...]:
    """What there is to say of a variant on a device at each of its model's sizes."""
    model, spec = params.model(variant.model), params.benchmark
    sizes, cell = params.sizes(model), f"{variant.name}-{device}"
    log, given = layout.log(f"benchmark-{cell}"), _source.given(model, layout)
    folder = layout.ir(variant.name).resolve()
    with atomic.building(layout.work, f"benchmark/{cell}") as scratch:
        made = atomic.folder(scratch / "made")
        paths = [made / f"{index}.npz" for index in range(len(sizes))]
        ours = partial(_openvino, folder, device, scratch=scratch, log=log, limits=model.limits)
        with _source.child(given, scratch=made, log=log) as theirs:
            theirs.call(f"{_CONTENDERS}:Original", given, returns=type(None))
            inputs = theirs.call("make_inputs", sizes, paths, returns=list[Input])
            # The smallest first: peak memory is then that of a process that served none larger.
            order = sorted(range(len(sizes)), key=lambda index: prod(inputs[index].largest))
            with ours("LATENCY") as child:
                pair = Pair(child, theirs)
                latencies = {i: _latencies(pair, paths[i], inputs[i], spec) for i in order}
            with ours("THROUGHPUT") as child:
                pair = Pair(child, theirs)
                rates = {i: _rates(pair, paths[i], inputs[i], sizes[i], spec) for i in order}
    return tuple(
        _measurement(size, inputs[i].shapes, latencies[i], rates[i], spec)
        for i, size in enumerate(sizes)
    )


@contextmanager
def _openvino(
    folder: Path, device: str, hint: Hint, *, scratch: Path, log: Path, limits: Limits
) -> Iterator[Child]:
    """A child that has compiled an IR for a device and may read the inputs."""
    access = Access(reads=(folder, scratch / "made"), devices=True)
    own = atomic.folder(scratch / hint)
    with sandbox.Child(scratch=own, log=log, access=access, limits=limits) as child:
        child.call(f"{_CONTENDERS}:OpenVINO", folder, device, hint, returns=type(None))
        yield child


def _latencies(pair: Pair, path: Path, fed: Input, spec: BenchmarkSpec) -> Turns[Latencies]:
    _feed(pair, path, fed)
    return _turns(pair, "latency", Latencies, spec)


def _rates(
    pair: Pair, path: Path, fed: Input, size: dict[str, int], spec: BenchmarkSpec
) -> Turns[Rate]:
    """One caller alone is no match for several streams, so the original takes batches."""
    ready = _feed(pair, path, fed)
    pair.theirs.call("widen", size, ready.streams, returns=type(None))
    return _turns(pair, "throughput", Rate, spec)


def _feed(pair: Pair, path: Path, fed: Input) -> Ready:
    """Give both these inputs and as many threads; how OpenVINO runs."""
    pair.ours.call("feed", path, fed.batch, returns=type(None))
    ready = pair.ours.call("ready", returns=Ready)
    pair.theirs.call("use_threads", ready.threads, returns=type(None))
    pair.theirs.call("feed", path, fed.batch, returns=type(None))
    return ready


def _turns(pair: Pair, what: str, returns: type[T], spec: BenchmarkSpec) -> Turns[T]:
    """Let the contenders take turns; who goes first alternates."""
    answers: dict[Child, list[T]] = {child: [] for child in pair}
    started = cpu.ticks()
    for index in track(range(spec.rounds), spec.rounds, "benchmark"):
        for child in pair if index % 2 == 0 else reversed(pair):
            answers[child].append(child.call(what, spec.seconds / spec.rounds, returns=returns))
    spent = cpu.ticks().since(started)
    ours, theirs = (Run(answers[child], child.call("ready", returns=Ready)) for child in pair)
    return Turns(ours, theirs, spent)


def _measurement(
    size: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    latencies: Turns[Latencies],
    rates: Turns[Rate],
    spec: BenchmarkSpec,
) -> Measurement:
    times = _medians(latencies.theirs) / _medians(latencies.ours)
    return Measurement(
        sizes=size,
        variant=_contender(latencies.ours, rates.ours),
        baseline=_contender(latencies.theirs, rates.theirs),
        latency_speedup=float(np.median(times)),
        throughput_speedup=float(np.median(_per_s(rates.ours) / _per_s(rates.theirs))),
        rounds=spec.rounds,
        seconds_per_round=spec.seconds / spec.rounds,
        input_shapes=shapes,
        others_cpu_share=cpu.others_share(latencies.spent, rates.spent),
    )


def _contender(latencies: Run[Latencies], rates: Run[Rate]) -> Contender:
    alone, busy = latencies.ready, rates.ready
    requests = np.concatenate([turn.latencies_ms for turn in latencies.answers])
    return Contender(
        name=alone.name,
        load_ms=alone.load_ms,
        compile_ms=alone.compile_ms,
        latency=Latency(
            median_ms=float(np.median(requests)),
            p90_ms=float(np.percentile(requests, 90)),
            p99_ms=float(np.percentile(requests, 99)),
            requests=len(requests),
            threads=alone.threads,
            spread=_spread(_medians(latencies)),
        ),
        throughput=Throughput(
            per_s=float(np.median(_per_s(rates))),
            batch=busy.batch,
            streams=busy.streams,
            threads=busy.threads,
            spread=_spread(_per_s(rates)),
        ),
        peak_memory_bytes=alone.peak_memory_bytes,
        execution_devices=alone.execution_devices,
        execution_precision=alone.execution_precision,
    )


def _medians(latencies: Run[Latencies]) -> Vector:
    """Of each turn, in milliseconds."""
    return np.array([np.median(turn.latencies_ms) for turn in latencies.answers])


def _per_s(rates: Run[Rate]) -> Vector:
    return np.array([turn.per_s for turn in rates.answers])


def _spread(figures: Vector) -> float:
    """The interquartile range over the median."""
    low, middle, high = np.percentile(figures, [25, 50, 75])
    return float((high - low) / middle)
