"""benchmark: a variant on a device against the original at fp32, in turns in one run.

Same inputs, same number of threads, a process each. The machine's speed drifts, so every round
gives a ratio of its own and the median of those is the figure. Latency comes first and throughput
after it, at all sizes each, because a device is tuned for one of the two: OpenVINO has a process
for each, and never two models compiled in one. Where openvino.genai is installed and has a pipeline
for what generates, a third process measures what is served.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from pipeline import sizes
from pipeline.devices import absence
from pipeline.errors import PipelineError
from pipeline.evidence import (
    Benchmark,
    Contender,
    Generation,
    Latency,
    Measurement,
    Throughput,
)
from pipeline.host import atomic, cpu, progress
from pipeline.host.cpu import Ticks
from pipeline.host.progress import track
from pipeline.host.sandbox import Child
from pipeline.host.walls import Access
from pipeline.ipfs.unixfs.importer import folder_cid
from pipeline.layout import Layout
from pipeline.networks.session import Hint
from pipeline.networks.tensors import Vector
from pipeline.record import Line
from pipeline.spec import BenchmarkSpec, Limits, Params, Variant
from pipeline.steps import _served, _source
from pipeline.steps._contenders import Input, Latencies, Rate, Ready

T = TypeVar("T")

_CONTENDERS = "pipeline.steps._contenders"
_SERVED = _served.__name__


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
    wanted, cell = sizes.of(params, model), f"{variant.name}-{device}"
    log, given = layout.log(f"benchmark-{cell}"), _source.given(model, layout)
    folder = layout.ir(variant.name).resolve()
    with atomic.building(layout.work, f"benchmark/{cell}") as scratch:
        made = atomic.folder(scratch / "made")
        paths = [made / f"{index}.npz" for index in range(len(wanted))]
        ours = partial(_openvino, folder, device, scratch=scratch, log=log, limits=model.limits)
        with _source.child(given, scratch=made, log=log) as theirs:
            theirs.call(f"{_CONTENDERS}:Original", given, returns=type(None))
            inputs = theirs.call("make_inputs", wanted, paths, returns=list[Input])
            # The smallest first: peak memory is then that of a process that served none larger.
            order = sorted(range(len(wanted)), key=lambda index: prod(inputs[index].largest))
            with ours("LATENCY") as child:
                pair = Pair(child, theirs)
                latencies = {i: _latencies(pair, paths[i], inputs[i], spec) for i in order}
            with ours("THROUGHPUT") as child:
                pair = Pair(child, theirs)
                rates = {i: _rates(pair, paths[i], inputs[i], wanted[i], spec) for i in order}
        generate = any(turn.generations for turn in latencies[0].ours.answers)
        walled = partial(_walled, folder, scratch=scratch, log=log, limits=model.limits)
        served = _in_genai(walled, folder, device, paths, spec) if generate else {}
    return tuple(
        _measurement(size, inputs[i], latencies[i], rates[i], spec, served.get(i))
        for i, size in enumerate(wanted)
    )


def _walled(folder: Path, own: str, *, scratch: Path, log: Path, limits: Limits) -> Child:
    """A child that may read an IR and the inputs, with a scratch of its own."""
    access = Access(reads=(folder, scratch / "made"), devices=True)
    return Child(scratch=atomic.folder(scratch / own), log=log, access=access, limits=limits)


@contextmanager
def _openvino(
    folder: Path, device: str, hint: Hint, *, scratch: Path, log: Path, limits: Limits
) -> Iterator[Child]:
    """A child that has compiled an IR for a device."""
    with _walled(folder, hint, scratch=scratch, log=log, limits=limits) as child:
        if child.call(f"{_CONTENDERS}:loops", folder, returns=bool):
            child.call(f"{_CONTENDERS}:OpenVINOLoop", folder, device, returns=type(None))
        else:
            child.call(f"{_CONTENDERS}:OpenVINO", folder, device, hint, returns=type(None))
        yield child


def _in_genai(
    walled: Callable[[str], Child],
    folder: Path,
    device: str,
    paths: Sequence[Path],
    spec: BenchmarkSpec,
) -> dict[int, Generation]:
    """What openvino.genai makes of it at each size; nothing where it cannot, and a note why."""
    if importlib.util.find_spec("openvino_genai") is None:
        return {}
    try:
        with walled("served") as child:
            name = child.call(f"{_SERVED}:pipeline", folder, returns=Line | None)  # type: ignore[arg-type]
            if name is None:
                return {}
            child.call(f"{_SERVED}:Served", name, folder, device, returns=type(None))
            return {
                i: _typical(child.call("generations", path, spec.seconds, returns=list[Generation]))
                for i, path in enumerate(paths)
            }
    except PipelineError as e:
        progress.note(f"note: not measured in openvino.genai: {e}")
        return {}


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
    fed: Input,
    latencies: Turns[Latencies],
    rates: Turns[Rate],
    spec: BenchmarkSpec,
    served: Generation | None,
) -> Measurement:
    times = _medians(latencies.theirs) / _medians(latencies.ours)
    return Measurement(
        sizes=size,
        variant=_contender(latencies.ours, rates.ours, fed),
        baseline=_contender(latencies.theirs, rates.theirs, fed),
        latency_speedup=float(np.median(times)),
        throughput_speedup=float(np.median(_per_s(rates.ours) / _per_s(rates.theirs))),
        rounds=spec.rounds,
        seconds_per_round=spec.seconds / spec.rounds,
        input_shapes=fed.shapes,
        others_cpu_share=cpu.others_share(latencies.spent, rates.spent),
        served=served,
    )


def _contender(latencies: Run[Latencies], rates: Run[Rate], fed: Input) -> Contender:
    alone, busy = latencies.ready, rates.ready
    requests = np.concatenate([turn.latencies_ms for turn in latencies.answers])
    median_ms = float(np.median(requests))
    generations = [one for turn in latencies.answers for one in turn.generations]
    return Contender(
        name=alone.name,
        load_ms=alone.load_ms,
        compile_ms=alone.compile_ms,
        latency=Latency(
            median_ms=median_ms,
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
        generation=_typical(generations) if generations else None,
        real_time_factor=median_ms / 1e3 / (fed.seconds * fed.batch) if fed.seconds else None,
    )


def _typical(generations: Sequence[Generation]) -> Generation:
    """The median of each figure."""
    gaps = [one.next_token_ms for one in generations if one.next_token_ms is not None]
    return Generation(
        first_token_ms=float(np.median([one.first_token_ms for one in generations])),
        next_token_ms=float(np.median(gaps)) if gaps else None,
        tokens_per_s=float(np.median([one.tokens_per_s for one in generations])),
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
