"""export: a source becomes IR at its own dtype, in a child process."""

from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.host import atomic, isa, sandbox
from pipeline.layout import Layout
from pipeline.networks import description, ir
from pipeline.networks.description import Description
from pipeline.record import to_json
from pipeline.spec import Model
from pipeline.steps.machine import versions


def export(model: Model, layout: Layout) -> list[str]:
    """Fill artifacts/export/<model> and write its provenance.

    Returns:
        Where params.yaml contradicts what the model's repository says, a line each.

    Raises:
        ExportError: the source cannot become IR.
    """
    with atomic.building(layout.work, f"export/{model.name}") as scratch:
        made = sandbox.run(
            "pipeline.steps.export:convert",
            layout.source(model.name).resolve(),
            model.to_dict(),
            scratch / "ir",
            log=layout.log(f"export-{model.name}"),
            env=isa.ENVIRONMENT[isa.DEFAULT],
        )
        provenance = scratch / "provenance.json"
        provenance.write_text(to_json(made))
        atomic.publish(scratch / "ir", layout.export(model.name))
        atomic.publish(provenance, layout.export_provenance(model.name))
    notes: list[str] = made["notes"]
    return notes


def convert(source: Path, fields: dict[str, object], out: Path) -> dict[str, Any]:
    """In a child: let the format's exporter write the IR folder."""
    model = Model.from_dict(fields)
    out.mkdir()
    exporter, task = kinds.load("format", model.format), kinds.load("task", model.task)
    options, notes = task.resolve(model, source)
    made: dict[str, Any] = exporter.export(source, model, out)
    told = Description(
        format=1, task=model.task, networks=tuple(ir.networks(out)), options=options.to_dict()
    )
    description.write(out, told)
    return {"toolchain": versions(exporter.TOOLCHAIN), "notes": notes, **made}
