"""calibration: the inputs that full quantization may look at, made once per model."""

from pathlib import Path

from pipeline import kinds
from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.spec import Model
from pipeline.steps import _source


def calibration(model: Model, layout: Layout) -> None:
    """Write artifacts/calibration/<model>.npz.

    Raises:
        EvidenceError: the calibration set cannot be read.
    """
    with atomic.building(layout.work, f"calibration/{model.name}") as scratch:
        made = atomic.folder(scratch / "made")
        given, log = _source.given(model, layout), layout.log(f"calibration-{model.name}")
        with _source.child(given, scratch=made, log=log) as child:
            child.call(
                "pipeline.steps.calibration:make", given, made / "inputs.npz", returns=type(None)
            )
        atomic.publish(made / "inputs.npz", layout.calibration(model.name))


def make(given: _source.Given, out: Path) -> None:
    """In a child: let the task make its calibration inputs."""
    model, source, _ = _source.opened(given)
    samples.save(kinds.load("task", model.task).calibration(model, source), out)
