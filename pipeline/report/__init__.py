"""report: the catalog as DVC metrics, as data for DVC plots, and as a table for a terminal."""

from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.record import to_json
from pipeline.report.figures import metrics, speedups
from pipeline.report.table import table
from pipeline.steps.catalog import Catalog

METRICS = "metrics.json"
SPEEDUPS = "speedups.json"
TABLE = "table.txt"


def report(listed: Catalog, layout: Layout) -> None:
    """Fill artifacts/report/ with metrics, plot data and the table."""
    with atomic.building(layout.work, "report") as scratch:
        built = scratch / "report"
        built.mkdir()
        (built / METRICS).write_text(to_json(metrics(listed)))
        (built / SPEEDUPS).write_text(to_json(speedups(listed)))
        (built / TABLE).write_text(table(listed))
        atomic.publish(built, layout.report)
