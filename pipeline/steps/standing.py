"""standing: how each cell of the grid stands, and why: what `ovpipe plan` and `ovpipe build` say.

DVC says what changed; here that is put in words, and what follows from it is worked out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import grid
from pipeline.grid import Cell
from pipeline.layout import Layout
from pipeline.spec import Params
from pipeline.steps import _dvc

_MAX_SHOWN = 60


class Standing(NamedTuple):
    """A cell that is not as this build would leave it.

    Args:
        cell: which one.
        reasons: what of it changed, in words; empty if it only waits for others.
        waits_for: the cells before it that will run, and may change what it reads.
    """

    cell: Cell
    reasons: tuple[str, ...]
    waits_for: tuple[Cell, ...]


def standing(params: Params, layout: Layout) -> list[Standing]:
    """The cells that `dvc repro` would run now, and those that may follow, in their order.

    The plan must be of now (`machine`).

    Raises:
        PipelineError: this is no DVC project.
    """
    changed, lock = _dvc.changed(layout), _dvc.Lock(layout)
    found: dict[str, Standing] = {}
    for cell in grid.cells(params):
        waits_for = tuple(c for c in grid.before(cell, params) if c.address in found)
        changes = changed.get(cell.address, [])
        if not changes and not waits_for:
            continue
        reasons = tuple(_reasons(cell, changes, layout, lock)) if cell.address in lock else ("new",)
        made = {path for c in waits_for for path in grid.outputs(c, layout)}
        awaited = {str(part) for path in made for part in (path, path.parent)}
        reasons = tuple(r for r in reasons if r.partition(" ")[0] not in awaited)
        found[cell.address] = Standing(cell, reasons, waits_for)
    return list(found.values())


def _reasons(cell: Cell, changes: list[Any], layout: Layout, lock: _dvc.Lock) -> Iterator[str]:
    """What DVC found of a cell, in words."""
    for change in changes:
        if not isinstance(change, dict):
            yield str(change)
            continue
        for path, how in (found for paths in change.values() for found in paths.items()):
            if Path(path) == layout.entry(cell.address):
                yield from _differences(cell, layout, lock)
            else:
                yield f"{path} {how}"


def _differences(cell: Cell, layout: Layout, lock: _dvc.Lock) -> Iterator[str]:
    """Which fields of a cell's entry are others than when it last ran."""
    path = layout.entry(cell.address)
    former = lock.former(cell.address, path)
    if former is None:
        yield "its entry of the plan (what it was is not in DVC's cache)"
    else:
        yield from _unequal(json.loads(former), json.loads(path.read_bytes()))


def _unequal(before: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """The fields in which two entries differ, as `versions.nncf: 3.4.0 -> 3.5.0`."""
    for key in sorted({*before, *now}):
        name, old, new = f"{where}{key}", before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _unequal(old, new, f"{name}.")
        elif old != new:
            yield f"{name}: {_shown(old)} -> {_shown(new)}"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN // 4]}..."
