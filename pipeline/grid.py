"""The grid: the cells of params.yaml, which of them each needs, and what each writes.

dvc.yaml says the same to DVC; a test holds the two together.
"""

from pathlib import Path
from typing import NamedTuple

from pipeline.layout import Layout
from pipeline.spec import Params

# What every row of the grid goes through, each stage with those that must have come before it.
BY_MODEL = {"fetch": (), "export": ("fetch",), "calibration": ("fetch",), "reference": ("fetch",)}
BY_VARIANT = {
    "quantize": ("export", "calibration"),
    "validate": ("quantize", "reference"),
    "package": ("fetch", "export", "quantize", "validate"),
}
BY_VARIANT_AND_DEVICE = {"benchmark": ("fetch", "quantize")}
OVER_ALL = {"catalog": ("validate", "benchmark", "package"), "release": ("catalog",)}

# What the mark of a calibration holds: always the same, whatever calibration came to.
OVER = "over\n"


class Cell(NamedTuple):
    """One run of a stage: for a model, a variant, a variant on a device, or over all.

    Args:
        stage: its name.
        model: the model that it is for; empty for stages over all.
        variant: the variant that it is for, if it is for one.
        device: the device that it measures speed on, if it does.
    """

    stage: str
    model: str = ""
    variant: str = ""
    device: str = ""

    @property
    def name(self) -> str:
        """What it is for: `minilm`, `minilm-int8`, `minilm-int8-CPU`, or nothing."""
        return f"{self.variant}-{self.device}" if self.device else self.variant or self.model

    @property
    def address(self) -> str:
        """How DVC calls it: `benchmark@minilm-int8-CPU`."""
        return f"{self.stage}@{self.name}" if self.name else self.stage


def cells(params: Params) -> list[Cell]:
    """Every cell but `machine`, each after those that it needs."""
    variants = params.variants.values()
    return [
        *(Cell(stage, model) for stage in BY_MODEL for model in params.models),
        *(Cell(stage, v.model, v.name) for stage in BY_VARIANT for v in variants),
        *(
            Cell(stage, params.variant(name).model, name, device)
            for stage in BY_VARIANT_AND_DEVICE
            for name, device in params.cells
        ),
        *(Cell(stage) for stage in OVER_ALL),
    ]


def before(cell: Cell, params: Params) -> list[Cell]:
    """The cells that a cell needs."""
    if cell.stage in OVER_ALL:
        return [other for other in cells(params) if other.stage in OVER_ALL[cell.stage]]
    return row_before(cell)


def row_before(cell: Cell) -> list[Cell]:
    """The cells of its row that a cell needs; none for stages over all."""
    needs = {**BY_MODEL, **BY_VARIANT, **BY_VARIANT_AND_DEVICE}.get(cell.stage, ())
    return [Cell(s, cell.model, cell.variant if s in BY_VARIANT else "") for s in needs]


def outputs(cell: Cell, layout: Layout) -> tuple[Path, ...]:
    """What a cell writes; the first is what it is for."""
    return {
        "fetch": (
            layout.source(cell.model),
            layout.source_lock(cell.model),
            layout.data(cell.model),
        ),
        "export": (layout.export(cell.model), layout.export_provenance(cell.model)),
        "calibration": (layout.calibration(cell.model), layout.calibration_mark(cell.model)),
        "reference": (layout.reference(cell.model),),
        "quantize": (layout.ir(cell.variant), layout.provenance(cell.variant)),
        "validate": (layout.accuracy(cell.variant),),
        "benchmark": (layout.benchmark(cell.variant, cell.device),),
        "package": (layout.package(cell.variant),),
        "catalog": (layout.catalog, layout.report),
        "release": (),
    }[cell.stage]


def log(address: str, layout: Layout) -> str:
    """Where it is what the child processes of a cell printed; empty if it is not here."""
    path = layout.log(address.replace("@", "-"))
    return str(path) if path.is_file() else ""
