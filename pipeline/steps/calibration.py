"""calibration: the inputs that full quantization may look at, made once per model."""

from pathlib import Path

from pipeline import kinds
from pipeline.host import atomic, sandbox
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.spec import Model


def calibration(model: Model, layout: Layout) -> None:
    """Write artifacts/calibration/<model>.npz.

    Raises:
        EvidenceError: the calibration set cannot be read.
    """
    with atomic.building(layout.work, f"calibration/{model.name}") as scratch:
        made = scratch / "inputs.npz"
        sandbox.run(
            "pipeline.steps.calibration:make",
            layout.source(model.name).resolve(),
            model.to_dict(),
            made,
            log=layout.log(f"calibration-{model.name}"),
        )
        atomic.publish(made, layout.calibration(model.name))


def make(source: Path, fields: dict[str, object], out: Path) -> None:
    """In a child: let the task make its calibration inputs."""
    model = Model.from_dict(fields)
    samples.save(kinds.load("task", model.task).calibration(model, source), out)
