"""calibration: the inputs that full quantization may look at, made once per model."""

from pathlib import Path

from pipeline import grid, kinds
from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.spec import Model
from pipeline.steps import _items, _source

INVENTED, SEED = 300, 1  # as many as NNCF looks at


def calibration(model: Model, layout: Layout) -> None:
    """Fill artifacts/calibration/<model>, and mark that it is over.

    Raises:
        DataError: the calibration set cannot be read.
    """
    with atomic.building(layout.work, f"calibration/{model.name}") as scratch:
        made, mark = atomic.folder(scratch / "made"), scratch / "done"
        given, log = _source.given(model, layout), layout.log(f"calibration-{model.name}")
        with _source.child(given, scratch=made, log=log) as child:
            child.call(
                "pipeline.steps.calibration:make", given, made / "calibration", returns=type(None)
            )
        mark.write_text(grid.OVER)
        atomic.publish(made / "calibration", layout.calibration(model.name))
        atomic.publish(mark, layout.calibration_mark(model.name))


def make(given: _source.Given, out: Path) -> None:
    """In a child: let the task make its calibration inputs."""
    model, source, _ = _source.opened(given)
    task = kinds.load("task", model.task)
    options, _ = task.resolve(model, source)
    if model.calibration is None:
        items = task.invent(source, model, options, INVENTED, SEED)
    else:
        items = _items.read(task, model.calibration)
    inputs = task.encode(items, source, model, options)
    out.mkdir()
    samples.save(inputs, out / samples.INPUTS)
