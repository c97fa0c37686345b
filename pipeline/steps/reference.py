"""reference: validation inputs and the original framework's fp32 outputs, made once per model.

reference.json holds all else that accuracy rests on (labels, options), so that what changes it
changes this folder, on which validate depends.
"""

from pathlib import Path

from pipeline import kinds
from pipeline.host import atomic
from pipeline.host.progress import track
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.spec import Model
from pipeline.steps import _source
from pipeline.steps._facts import FILE, Facts


def reference(model: Model, layout: Layout) -> None:
    """Fill artifacts/reference/<model>.

    Raises:
        DataError: the validation set cannot be read.
    """
    with atomic.building(layout.work, f"reference/{model.name}") as scratch:
        made = atomic.folder(scratch / "made")
        given, log = _source.given(model, layout), layout.log(f"reference-{model.name}")
        with _source.child(given, scratch=made, log=log) as child:
            child.call(
                "pipeline.steps.reference:make", given, made / "reference", returns=type(None)
            )
        atomic.publish(made / "reference", layout.reference(model.name))


def make(given: _source.Given, out: Path) -> None:
    """In a child: run the original model over the validation inputs."""
    model, source, _ = _source.opened(given)
    task = kinds.load("task", model.task)
    out.mkdir()
    inputs = task.validation(model, source)
    run = task.original(model, source)
    outputs = [run(sample) for sample in track(inputs, len(inputs), f"reference {model.name}")]
    samples.save(inputs, out / samples.INPUTS)
    samples.save(outputs, out / samples.OUTPUTS)
    facts = Facts(
        task=model.task,
        options=task.resolve(model, source)[0].to_dict(),
        labels=task.labels(model).tolist(),
    )
    (out / FILE).write_text(facts.json())
