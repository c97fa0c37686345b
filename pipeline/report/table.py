"""The catalog for a reader: artifacts with figures, benchmarks, refusals."""

from collections.abc import Mapping

from pipeline.evidence import Accuracy, Benchmark, Generation, Measurement
from pipeline.figure import Figure
from pipeline.host.reasons import shortened
from pipeline.report.figures import size
from pipeline.steps.catalog import Catalog, Entry, Failed, Refused


def table(listed: Catalog) -> str:
    """The catalog for a reader: artifacts with figures, benchmarks, refusals."""
    lines = ["artifacts"]
    for entry in listed.artifacts:
        lines += _artifact_lines(entry)
    measured = [(entry.variant, b) for entry in listed.artifacts for b in entry.benchmarks]
    measured += [(f"{r.variant} (refused)", b) for r in listed.refusals for b in r.benchmarks]
    baselines = sorted({m.baseline.name for _, b in measured for m in b.measurements})
    against = " or ".join(baselines) or "the original"
    lines += ["", f"benchmarks (x: against {against} on the CPU, same run and threads)"]
    lines += _columns([_HEADER, *(row for name, b in measured for row in _benchmark_rows(name, b))])
    lines += [
        "  noise: spread of the throughput rounds; others: part of all CPU time that went to other",
        "  processes; where either is over 10 %, measure again when the machine is quieter",
    ]
    timed = [row for name, b in measured for m in b.measurements for row in _timed(name, b, m)]
    if timed:
        lines += ["", "tokens and sound (real time: of a request, over that of its sound)"]
        lines += _columns([_TIMED, *timed])
    if listed.refusals:
        lines += ["", "refused"]
    for refused in listed.refusals:
        lines += _with_log(refused)
        lines += accuracy_lines(refused.accuracy) if refused.accuracy else []
    if listed.failures:
        lines += ["", "failed"]
    for failed in listed.failures:
        lines += _with_log(failed)
    return "\n".join(lines) + "\n"


def times(seconds: Mapping[str, float]) -> str:
    """The wall time of each stage that ran, for a reader."""
    width = max(map(len, seconds), default=0)
    lines = [f"  {name:<{width}}  {taken:6.1f} s" for name, taken in seconds.items()]
    return "\n".join(["stages", *lines, ""]) + "\n"


_HEADER = (
    "variant",
    "device",
    "input",
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

_TIMED = (
    "variant",
    "device",
    "input",
    "in",
    "first token ms",
    "next token ms",
    "tokens per second",
    "real time",
)


def _artifact_lines(entry: Entry) -> list[str]:
    lines = [f"  {entry.variant}  {entry.cid}  {entry.size_bytes / 1e6:.1f} MB"]
    lines += accuracy_lines(entry.accuracy)
    lines += (f"    note: {shortened(note, _NOTE)}" for note in entry.provenance.notes)
    return lines


def _with_log(thing: Refused | Failed) -> list[str]:
    is_new = thing.log and thing.log not in str(thing)
    return [f"  {thing}", *([f"    log: {thing.log}"] if is_new else [])]


def accuracy_lines(accuracy: Accuracy) -> list[str]:
    """What was measured at each execution precision, in lines."""
    lines = []
    if (why := _UNVALIDATED.get(accuracy.validated_on)) is not None:
        lines.append(f"    unvalidated: {why}")
    for execution in accuracy.executions:
        whole = [figure for figure in execution.figures if figure.part is None]
        lines.append(f"    {execution.name:<16} {', '.join(map(_figure, whole))}")
        parts = [figure for figure in execution.figures if figure.part is not None]
        told = [f"{p.part} {p.value:.4f}" for p in parts if p.metric == parts[0].metric]
        if told:
            lines.append(f"      {parts[0].metric}: {', '.join(told)}")
    return lines


_NOTE = 160  # characters of a note; provenance has all of them
_UNVALIDATED = {
    "inputs": "no labels: nothing is known of the task, only how near it is to the original",
    "invented": "no data: inputs made of a seed tell how near it is to the original, no more",
}


def _figure(figure: Figure) -> str:
    """A figure, with its drop if it has one."""
    is_small = 0 < abs(figure.value) < 1e-3
    told = (
        f"{figure.metric} {figure.value:.1e}" if is_small else f"{figure.metric} {figure.value:.6f}"
    )
    if figure.drop is None:
        return told
    drop = figure.drop
    return f"{told}, drop {drop.value:+.4f} [{drop.low:+.4f}, {drop.high:+.4f}]"


def _benchmark_rows(name: str, b: Benchmark) -> list[tuple[str, ...]]:
    if b.unavailable is not None:
        return [(name, b.device, b.unavailable)]
    return [(name, b.device, *_measured(m)) for m in b.measurements]


def _measured(m: Measurement) -> tuple[str, ...]:
    ours, theirs = m.variant, m.baseline
    where = "+".join(ours.execution_devices)
    noise = max(ours.throughput.spread, theirs.throughput.spread)
    return (
        size(m),
        f"{where} {ours.execution_precision}",
        f"{ours.latency.median_ms:.2f}",
        f"{ours.latency.p99_ms:.2f}",
        f"{m.latency_speedup:.1f}",
        f"{ours.throughput.per_s:.1f}",
        f"{m.throughput_speedup:.1f}",
        f"{ours.peak_memory_bytes / 2**20:.0f}",
        f"{100 * noise:.0f} %",
        "?" if m.others_cpu_share is None else f"{100 * m.others_cpu_share:.0f} %",
    )


def _timed(name: str, b: Benchmark, m: Measurement) -> list[tuple[str, ...]]:
    """A row for each runtime that has figures of tokens or of sound."""
    runtimes = [(c.name, c.generation, c.real_time_factor) for c in (m.variant, m.baseline)]
    return [
        (name, b.device, size(m), runtime, *_tokens(made), "" if rtf is None else f"{rtf:.3f}")
        for runtime, made, rtf in [*runtimes, ("openvino.genai", m.served, None)]
        if made or rtf is not None
    ]


def _tokens(made: Generation | None) -> tuple[str, str, str]:
    if made is None:
        return "", "", ""
    further = "" if made.next_token_ms is None else f"{made.next_token_ms:.2f}"
    return f"{made.first_token_ms:.2f}", further, f"{made.tokens_per_s:.1f}"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in full) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
