"""How far the ratios of the benchmark stage lie apart from run to run, and the baseline with them.

    python benchmarks/inference.py --runs 5 --devices CPU

Measures the variants of the project in the working folder, which `dvc repro` has built, as the
benchmark stage does; writes nothing but logs. Between two runs of one cell lie those of all others,
so that a slow hour shows. Noise from outside a virtual machine shows in no counter of it, only in
these ranges.
"""

import argparse
import json
from collections.abc import Iterable

from pipeline import check
from pipeline.devices import absence
from pipeline.evidence import Measurement
from pipeline.layout import Layout
from pipeline.report.figures import size
from pipeline.steps.benchmark import measure

_HEADER = (
    "variant",
    "device",
    "input",
    "latency x",
    "per second x",
    "latency ms",
    "per second",
    "batch",
    "others %",
)


def measured(runs: int, devices: list[str]) -> dict[tuple[str, str, str], list[Measurement]]:
    """The measurements of each variant on each device at each size, one per run."""
    layout = Layout()
    params = check.load(layout.params)
    have = json.loads(layout.host.read_bytes())["devices"]
    cells = [
        (variant, device)
        for variant, device in params.cells
        if device in (devices or params.devices) and absence(device, have) is None
    ]
    found: dict[tuple[str, str, str], list[Measurement]] = {}
    for _ in range(runs):
        for variant, device in cells:
            for m in measure(params, params.variant(variant), layout, device=device):
                found.setdefault((variant, device, size(m)), []).append(m)
    return found


def span(figures: Iterable[float], digits: int = 1) -> str:
    """The smallest and the largest."""
    ordered = sorted(figures)
    return f"{ordered[0]:.{digits}f} to {ordered[-1]:.{digits}f}"


def main() -> None:
    """Print a table of ranges over all runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--devices", nargs="*", default=[])
    arguments = parser.parse_args()
    found = measured(arguments.runs, arguments.devices)
    names = sorted({m.baseline.name for ms in found.values() for m in ms})
    print(f"x: against {' or '.join(names)}, whose own are latency ms, per second and batch\n")
    for row in (_HEADER, ("---",) * len(_HEADER)):
        print(f"| {' | '.join(row)} |")
    for cell, ms in found.items():
        shares = [m.others_cpu_share for m in ms if m.others_cpu_share is not None]
        figures = (
            span(m.latency_speedup for m in ms),
            span(m.throughput_speedup for m in ms),
            span(m.baseline.latency.median_ms for m in ms),
            span((m.baseline.throughput.per_s for m in ms), 0),
            ", ".join(map(str, sorted({m.baseline.throughput.batch for m in ms}))),
            span((100 * share for share in shares), 0) if shares else "?",
        )
        print(f"| {' | '.join((*cell, *figures))} |")


if __name__ == "__main__":
    main()
