"""export: a source becomes IR at its own dtype, in a child process."""

from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.host import atomic, isa, sandbox
from pipeline.layout import Layout
from pipeline.record import to_json
from pipeline.spec import Model
from pipeline.steps.machine import versions


def export(model: Model, layout: Layout) -> None:
    """Fill artifacts/export/<model> and write its provenance.

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


def convert(source: Path, fields: dict[str, object], out: Path) -> dict[str, Any]:
    """In a child: let the format's exporter write the IR folder."""
    model = Model.from_dict(fields)
    out.mkdir()
    exporter = kinds.load("format", model.format)
    made: dict[str, Any] = exporter.export(source, model, out)
    return {"toolchain": versions(exporter.TOOLCHAIN), **made}
