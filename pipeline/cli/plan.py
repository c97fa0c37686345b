"""ovpipe plan."""

from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import Answer, answers

if TYPE_CHECKING:
    from pipeline.steps.standing import Standing


@click.command("plan")
@answers
def command() -> Answer:
    """Say which cells `dvc repro` would run now, and why; nothing is run but `machine`.

    What changed is a field of the cell's entry in artifacts/machine/plan/, or an output that it
    reads. A cell that only waits for others runs if these write something else than before.
    """
    from pipeline import check, grid
    from pipeline.layout import Layout
    from pipeline.steps.machine import machine
    from pipeline.steps.standing import standing

    layout = Layout()
    machine(layout)
    params = check.load(layout.params)
    found = standing(params, layout)
    due = sum(bool(one.reasons) for one in found)
    count = len(grid.cells(params))
    lines = [_line(one) for one in found]
    lines.append(f"{due} of {count} cells would run, {len(found) - due} may follow")
    fields = {
        "cells": {
            one.cell.address: {
                "reasons": list(one.reasons),
                "waits_for": [cell.address for cell in one.waits_for],
            }
            for one in found
        },
        "of": count,
    }
    return Answer(fields, "\n".join(lines))


def _line(one: "Standing") -> str:
    if one.reasons:
        return f"{one.cell.address}: {'; '.join(one.reasons)}"
    return f"{one.cell.address}: if {', '.join(cell.address for cell in one.waits_for)} changes it"
