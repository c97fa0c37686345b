"""The catalog as DVC metrics and as data for DVC plots."""

from typing import Any

from pipeline.steps.catalog import Catalog


def metrics(listed: Catalog) -> dict[str, Any]:
    """The figures that `dvc metrics diff` compares, by variant."""
    return {
        entry.variant: {
            "size_bytes": entry.size_bytes,
            **entry.accuracy.default.figures(),
            **{
                f"{b.device}.{name}": figure
                for b in entry.benchmarks
                if b.comparison
                for name, figure in (
                    ("latency_ms", b.comparison.variant.latency.median_ms),
                    ("throughput_per_s", b.comparison.variant.throughput_per_s),
                )
            },
        }
        for entry in listed.artifacts
    }


def speedups(listed: Catalog) -> list[dict[str, Any]]:
    """One row per benchmark: what `dvc plots` draws."""
    return [
        {
            "cell": f"{entry.variant} {b.device}",
            "latency_speedup": b.comparison.latency_speedup,
            "throughput_speedup": b.comparison.throughput_speedup,
        }
        for entry in listed.artifacts
        for b in entry.benchmarks
        if b.comparison
    ]
