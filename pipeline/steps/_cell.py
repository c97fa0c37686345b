"""The run of a cell: its work, or the refusal that it comes to or that is handed down to it.

What fails for another reason (network, deadline, memory, disk, a signal) writes nothing and is
tried again by the next run.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline import check, grid, kinds, refusal
from pipeline.errors import RefusedError
from pipeline.grid import Cell
from pipeline.host import atomic, progress
from pipeline.layout import Layout
from pipeline.refusal import Refusal
from pipeline.spec import Model, Params, Variant


def of_model(stage: str, name: str, work: Callable[[Model, Layout], object]) -> None:
    """Run a stage for a model of params.yaml."""
    layout = Layout()
    params = check.load(layout.params)
    model = params.model(name)
    run(Cell(stage, name), params, layout, lambda: work(model, layout))


def of_variant(
    stage: str, name: str, work: Callable[[Params, Variant, Layout], object], device: str = ""
) -> None:
    """Run a stage for a variant of params.yaml, on a device if it is for one."""
    layout = Layout()
    params = check.load(layout.params)
    variant = params.variant(name)
    cell = Cell(stage, variant.model, name, device)
    run(cell, params, layout, lambda: work(params, variant, layout))


def run(cell: Cell, params: Params, layout: Layout, work: Callable[[], object]) -> None:
    """Do a cell's work, which writes its outputs; a refusal becomes these, and is said."""
    refused = _handed_down(cell, params, layout)
    if refused is None:
        try:
            work()
        except RefusedError as e:
            refused = Refusal(refused=str(e), stage=cell.stage, cell=cell.name, facts=e.facts)
            log = grid.log(cell.address, layout)
            progress.note(f"refused: {refused}{f'; log: {log}' if log else ''}")
    if refused is not None:
        _write(refused, cell, layout)


def _handed_down(cell: Cell, params: Params, layout: Layout) -> Refusal | None:
    """The refusal in what a cell reads, if there is one."""
    found = (
        refusal.read(grid.outputs(other, layout)[0])
        for other in grid.row_before(cell)
        if _looks_at(cell, other, params)
    )
    return next(filter(None, found), None)


def _looks_at(cell: Cell, other: Cell, params: Params) -> bool:
    """Whether a cell reads what another made; precisions that need no calibration do not."""
    if other.stage != "calibration":
        return True
    precision = kinds.load("precision", params.variant(cell.variant).precision)
    return bool(precision.NEEDS_CALIBRATION)


def _write(refused: Refusal, cell: Cell, layout: Layout) -> None:
    """Put a refusal where each of a cell's outputs would be."""
    with atomic.building(layout.work, f"refused/{cell.address}") as scratch:
        for output in grid.outputs(cell, layout):
            made = scratch / output.name
            _fill(made, refused)
            atomic.publish(made, output)


def _fill(made: Path, refused: Refusal) -> None:
    if made.suffix == ".done":
        made.write_text(grid.OVER)
    elif made.suffix == ".json":
        made.write_text(refused.json(), encoding="utf-8", newline="\n")
    else:
        made.mkdir()
        (made / refusal.REFUSED).write_text(refused.json(), encoding="utf-8", newline="\n")
