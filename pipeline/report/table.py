"""The catalog for a reader: artifacts with figures, benchmarks, refusals."""

from collections.abc import Mapping

from pipeline.evidence import Benchmark
from pipeline.steps.catalog import Catalog, Entry


def table(listed: Catalog) -> str:
    """The catalog for a reader: artifacts with figures, benchmarks, refusals."""
    lines = ["artifacts"]
    for entry in listed.artifacts:
        lines += _artifact_lines(entry)
    rows = [_benchmark_row(b) for entry in listed.artifacts for b in entry.benchmarks]
    lines += ["", "benchmarks (x: against PyTorch eager fp32 on the CPU, same run and threads)"]
    lines += _columns([_HEADER, *rows])
    lines += [
        "  noise: spread of the throughput rounds; others: part of all CPU time that went to other",
        "  processes; where either is over 10 %, measure again when the machine is quieter",
    ]
    for title, things in (("refused", listed.refusals), ("failed", listed.failures)):
        if things:
            lines += ["", title]
        for thing in things:
            lines += [f"  {thing}", *([f"    log: {thing.log}"] if thing.log else [])]
    return "\n".join(lines) + "\n"


def times(seconds: Mapping[str, float]) -> str:
    """The wall time of each stage that ran, for a reader."""
    width = max(map(len, seconds), default=0)
    lines = [f"  {name:<{width}}  {taken:6.1f} s" for name, taken in seconds.items()]
    return "\n".join(["stages", *lines, ""]) + "\n"


_HEADER = (
    "variant",
    "device",
    "runs at",
    "latency ms",
    "p99 ms",
    "x",
    "per second",
    "x",
    "MiB",
    "noise",
    "others",
)


def _artifact_lines(entry: Entry) -> list[str]:
    lines = [f"  {entry.variant}  {entry.cid}  {entry.size_bytes / 1e6:.1f} MB"]
    for e in entry.accuracy.executions:
        lines.append(
            f"    {e.name:<16} cosine mean {e.fidelity.cosine_mean:.6f}, "
            f"min {e.fidelity.cosine_min:.6f}; {e.task.metric} {e.task.variant:.4f}, drop "
            f"{e.task.drop:+.4f} [{e.task.drop_low:+.4f}, {e.task.drop_high:+.4f}]"
        )
        lengths = (f"<={b.up_to} {b.cosine_mean:.4f}" for b in e.fidelity.by_length)
        lines.append(f"      cosine by tokens {', '.join(lengths)}")
    lines += (f"    note: {note}" for note in entry.provenance.notes)
    return lines


def _benchmark_row(b: Benchmark) -> tuple[str, ...]:
    if b.comparison is None:
        return (b.variant, b.device, str(b.unavailable))
    ours = b.comparison.variant
    where = "+".join(ours.execution_devices)
    return (
        b.variant,
        b.device,
        f"{where} {ours.execution_precision}",
        f"{ours.latency.median_ms:.2f}",
        f"{ours.latency.p99_ms:.2f}",
        f"{b.comparison.latency_speedup:.1f}",
        f"{ours.throughput_per_s:.1f}",
        f"{b.comparison.throughput_speedup:.1f}",
        f"{ours.peak_memory_bytes / 2**20:.0f}",
        f"{100 * max(ours.throughput_spread, b.comparison.baseline.throughput_spread):.0f} %",
        f"{100 * b.comparison.others_cpu_share:.0f} %",
    )


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    full = [row for row in rows if len(row) == len(_HEADER)]
    widths = [max(len(row[i]) for row in full) for i in range(len(_HEADER))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
