"""What came of variants, as rows of a table: figures, size, speed, or why there is none."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pipeline.evidence import Accuracy, Measurement
from pipeline.figure import Figure, Metric
from pipeline.layout import Layout
from pipeline.steps.catalog import Catalog, Entry, Refused

COLUMNS = (
    "precision",
    "MB",
    "at",
    "figures",
    "x",
    "others",
    "tokens per second",
    "real-time factor",
)


class Row(NamedTuple):
    """A variant, or several of which the same is to be said."""

    precision: str
    size: str
    at: str
    figures: str
    speed: str = ""
    others: str = ""
    tokens: str = ""
    real_time: str = ""


def table(
    known: Mapping[str, Metric], variants: Sequence[str], listed: Catalog, layout: Layout
) -> list[str]:
    """The lines of a table with a row for each variant; columns that say nothing are left out.

    Args:
        known: what is measured of their model.
        variants: each with its precision at the end of its name.
        listed: what came of them.
        layout: where that lies.
    """
    rows = list(_merged(_row(known, variant, listed, layout) for variant in variants))
    filled = [index for index in range(len(COLUMNS)) if any(row[index] for row in rows)]
    cells = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return [f"| {' | '.join(_cell(row[index]) for index in filled)} |" for row in cells]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _merged(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows in which only the precision differs, as one."""
    for said, same in groupby(rows, key=lambda row: row[1:]):
        yield Row(", ".join(row.precision for row in same), *said)


def _row(known: Mapping[str, Metric], variant: str, listed: Catalog, layout: Layout) -> Row:
    precision = variant.rpartition("-")[2]
    every: list[Entry | Refused] = [*listed.artifacts, *listed.refusals]
    found = [e for e in every if e.variant == variant]
    entry = found[0]
    reason = "; ".join(_refusal(e, layout) for e in found if isinstance(e, Refused))
    if (accuracy := entry.accuracy) is None:
        return Row(precision, "", "", reason)
    told = "; ".join(filter(None, (_figures(accuracy, known), reason)))
    size = _size(entry, layout.ir(variant)) / 1e6
    measured = [m for b in entry.benchmarks for m in b.measurements][:1]
    speeds = _speeds(measured[0]) if measured else ()
    return Row(precision, f"{size:.3g}", accuracy.default.precision, told, *speeds)


def _refusal(refused: Refused, layout: Layout) -> str:
    """By which stage, and the whole reason; where a scratch project lay is no part of it."""
    reason = refused.reason.replace(f"{layout.root}/", "")
    return f"refused by `{refused.stage}`: {reason}"


def _size(entry: Entry | Refused, folder: Path) -> int:
    if isinstance(entry, Entry):
        return entry.size_bytes
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _figures(accuracy: Accuracy, known: Mapping[str, Metric]) -> str:
    """What has labels, and how near it is to the original as far as a default gate asks."""
    whole = [f for f in accuracy.default.figures if f.part is None]
    fidelity = [f for f in whole if known[f.metric].gate and not known[f.metric].stays]
    labelled = [f for f in whole if f.drop is not None]
    return ", ".join(_figure(f) for f in dict.fromkeys((*labelled, *fidelity)))


def _figure(figure: Figure) -> str:
    is_small = 0 < abs(figure.value) < 1e-3
    told = f"{figure.metric} {figure.value:{'.1e' if is_small else '.5g'}}"
    if (drop := figure.drop) is None:
        return told
    return f"{told} (drop {drop.value:+.4f} [{drop.low:+.4f}, {drop.high:+.4f}])"


def _speeds(m: Measurement) -> tuple[str, str, str, str]:
    """Against the original in the same run, in which others had so much; tokens, and sound."""
    others = "?" if m.others_cpu_share is None else f"{100 * m.others_cpu_share:.0f} %"
    made = (m.variant.generation, m.baseline.generation, m.served)
    tokens = ", ".join(f"{one.tokens_per_s:.3g}" for one in made if one)
    factors = (m.variant.real_time_factor, m.baseline.real_time_factor)
    real_time = ", ".join(f"{one:.2g}" for one in factors if one is not None)
    return f"{m.latency_speedup:.1f}", others, tokens, real_time
