"""export: a source becomes IR at its own dtype, in a child process."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import kinds
from pipeline.errors import DataError, ExportError
from pipeline.exporters import _prepared
from pipeline.host import atomic, isa, progress
from pipeline.layout import Layout
from pipeline.networks import batched, description, ir, ports
from pipeline.networks.description import Description
from pipeline.networks.inputs import fit
from pipeline.provenance import Exported
from pipeline.spec import Model
from pipeline.steps import _source
from pipeline.toolchain import versions

if TYPE_CHECKING:
    import openvino as ov


def export(model: Model, layout: Layout) -> Exported:
    """Fill artifacts/export/<model> and write its provenance.

    Raises:
        ExportError: the source cannot become IR.
    """
    with atomic.building(layout.work, f"export/{model.name}") as scratch:
        made = atomic.folder(scratch / "made")
        given = _source.given(model, layout)
        log, env = layout.log(f"export-{model.name}"), isa.ENVIRONMENT[isa.DEFAULT]
        with (
            _source.child(given, scratch=made, log=log, env=env) as child,
            _source.crashes("converter", model),
        ):
            told = child.call(
                "pipeline.steps.export:convert",
                given,
                made / "ir",
                returns=dict[str, Any],
            )
            walls = child.walls
        exported = Exported.from_dict({**told, "walls": walls})
        provenance = scratch / "provenance.json"
        provenance.write_text(exported.json())
        atomic.publish(made / "ir", layout.export(model.name))
        atomic.publish(provenance, layout.export_provenance(model.name))
    for note in exported.notes:
        progress.note(f"note: {note}")
    for path in exported.removed:
        progress.note(f"note: leads out of the repository, left out: {path}")
    return exported


def convert(given: _source.Given, out: Path) -> dict[str, Any]:
    """In a child: write the IR folder of a source, from what parsers may see of it."""
    model, source, removed = _source.opened(given)
    return {"removed": removed, **write_ir(model, source, out)}


def write_ir(model: Model, source: Path, out: Path) -> dict[str, Any]:
    """Let the format's exporter write the IR folder, and describe it."""
    out.mkdir()
    exporter, task = kinds.load("format", model.format), kinds.load("task", model.task)
    options, notes = task.resolve(model, source)
    made: dict[str, Any] = exporter.export(source, model, out)
    networks = {name: ir.read(out, name) for name in ir.networks(out)}
    taken = {ports.name(port) for network in networks.values() for port in network.inputs}
    _prepared.check_names(taken, model)
    _check_inputs(model, source, options, networks)
    inside = _prepared.inside(networks.values(), model)
    told = Description(
        format=2 if inside else 1,
        task=model.task,
        networks=tuple(networks),
        options=options.to_dict(),
        preprocess=inside or None,
    )
    description.write(out, told)
    return {
        "toolchain": versions(exporter.TOOLCHAIN),
        **made,
        "notes": [*notes, *made.get("notes", ())],
    }


def _check_inputs(
    model: Model, source: Path, options: Any, networks: "Mapping[str, ov.Model]"
) -> None:
    """What the task feeds fits what was exported, told here and not where it is first fed.

    Raises:
        ExportError: an input of the network is none of the task's, or has another shape.
    """
    task = kinds.load("task", model.task)
    if [*networks] == [ir.MODEL]:
        network = networks[ir.MODEL]
        taking = {ports.name(port): port for port in network.inputs}
        invented = task.invent(source, model, options, 1, 0)
        try:
            fed = fit(task.encode(invented, source, model, options)[0], taking)
            batch = batched.static(network)  # of which any number of items will do
            for name, port in taking.items():
                shape = fed[name].shape
                ports.check_shape(port, shape if batch is None else (batch, *shape[1:]))
        except DataError as e:
            raise ExportError(f"models.{model.name}.task: {model.task!r}: {e}") from e
