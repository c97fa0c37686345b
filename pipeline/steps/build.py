"""build: `dvc repro` that goes on where something fails, then the catalog of what there is.

DVC runs the catalog and the release itself where nothing failed. Otherwise they cannot run, and the
catalog is written here, without the cells that failed or wait for one that did.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pipeline import grid
from pipeline.errors import PipelineError
from pipeline.grid import OVER_ALL, Cell
from pipeline.layout import Layout
from pipeline.spec import Params
from pipeline.steps import _dvc
from pipeline.steps.catalog import Catalog, Failed, catalog
from pipeline.steps.standing import Standing, standing

_SILENT = "it ended without a word, as a process that is killed does"


class Step(NamedTuple):
    """A stage that DVC came to.

    Args:
        event: which, and what DVC does with it.
        number: how many it came to so far.
        of: how many there are.
    """

    event: _dvc.Event
    number: int
    of: int


class Built(NamedTuple):
    """What a build came to.

    Args:
        catalog: what there is, what was refused and what failed.
        seconds: wall time of each stage that ran, by its address.
    """

    catalog: Catalog
    seconds: dict[str, float]


def build(params: Params, layout: Layout, told: Callable[[Step], None]) -> Built:
    """Build what params.yaml says.

    Raises:
        PipelineError: nothing could be built at all.
    """
    watch = _Watch(len(grid.cells(params)) + 1, told)
    code = _dvc.repro(layout, watch)
    watch.stop()
    if watch.number == 0 or (code and _failed("machine", layout)):
        raise PipelineError(_failed("machine", layout) or f"dvc repro ended with {code}")
    late = standing(params, layout) if code else []
    if {one.cell.stage for one in late} <= {"release"}:  # which fails if anything was refused
        return Built(Catalog.read(layout.catalog), watch.seconds)
    late = [one for one in late if one.cell.stage not in OVER_ALL]
    if not late:
        raise PipelineError(_failed("catalog", layout) or f"dvc repro ended with {code}")
    failures = _failures(late, layout)
    absent = {one.cell.address for one in late}
    return Built(catalog(params, layout, failures=failures, absent=absent), watch.seconds)


class _Watch:
    """Tells how far DVC is, and takes the time of each stage."""

    def __init__(self, of: int, told: Callable[[Step], None]) -> None:
        self.seconds: dict[str, float] = {}
        self.number = 0
        self._of, self._told = of, told
        self._running, self._since = "", 0.0

    def __call__(self, event: _dvc.Event) -> None:
        self.stop()
        self.number += 1
        if event.what == "running":
            self._running, self._since = event.address, time.monotonic()
        self._told(Step(event, self.number, self._of))

    def stop(self) -> None:
        """Nothing runs any more, or something else does."""
        if self._running:
            self.seconds[self._running] = time.monotonic() - self._since
        self._running = ""


def _failures(late: Iterable[Standing], layout: Layout) -> list[Failed]:
    """Each cell that failed, with the variants that wait for it."""
    by_address = {one.cell.address: one for one in late}
    rows: dict[Cell, dict[str, None]] = {}
    for one in by_address.values():
        for root in _roots(one, by_address):
            rows.setdefault(root, {}).update({one.cell.variant: None} if one.cell.variant else {})
    return [
        Failed(
            cell=cell.address,
            reason=_failed(cell.address, layout) or _SILENT,
            log=grid.log(cell.address, layout),
            variants=tuple(variants),
        )
        for cell, variants in rows.items()
    ]


def _roots(one: Standing, late: dict[str, Standing]) -> list[Cell]:
    """The cells that failed, of those that a cell waits for."""
    if not one.waits_for:
        return [one.cell]
    return [root for cell in one.waits_for for root in _roots(late[cell.address], late)]


def _failed(address: str, layout: Layout) -> str:
    """Why a cell failed in its last run; empty if it did not say."""
    path = layout.failure(address)
    return " ".join(path.read_text(encoding="utf-8").split("\n")) if path.is_file() else ""
