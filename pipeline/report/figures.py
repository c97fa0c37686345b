"""The catalog as DVC metrics and as data for DVC plots."""

import math
from collections.abc import Iterator
from typing import Any

from pipeline.evidence import Benchmark, Measurement
from pipeline.steps.catalog import Catalog, Entry


def metrics(listed: Catalog) -> dict[str, Any]:
    """The figures that `dvc metrics diff` compares, by variant."""
    return {
        entry.variant: {
            "size_bytes": entry.size_bytes,
            **entry.accuracy.default.bounded(),
            **{
                f"{benchmark.device}.{size(m)}.{name}": figure
                for benchmark, m in _measurements(entry)
                for name, figure in _figures(m).items()
                if figure is not None
            },
        }
        for entry in listed.artifacts
    }


def _figures(m: Measurement) -> dict[str, float | None]:
    figures: dict[str, float | None] = {
        "latency_ms": m.variant.latency.median_ms,
        "throughput_per_s": m.variant.throughput.per_s,
        "real_time_factor": m.variant.real_time_factor,
    }
    for prefix, made in (("", m.variant.generation), ("served_", m.served)):
        if made:
            figures |= {f"{prefix}{name}": figure for name, figure in made.to_dict().items()}
    return figures


def speedups(listed: Catalog) -> list[dict[str, Any]]:
    """One row per measurement: what `dvc plots` draws."""
    return [
        {
            "cell": f"{entry.variant} {benchmark.device} {size(m)}",
            "latency_speedup": m.latency_speedup,
            "throughput_speedup": m.throughput_speedup,
        }
        for entry in listed.artifacts
        for benchmark, m in _measurements(entry)
    ]


def size(measurement: Measurement) -> str:
    """The shape of the largest input, as `1x64`."""
    shapes = sorted(measurement.input_shapes.values(), key=math.prod)
    return "x".join(map(str, shapes[-1]))


def _measurements(entry: Entry) -> Iterator[tuple[Benchmark, Measurement]]:
    return ((b, m) for b in entry.benchmarks for m in b.measurements)
