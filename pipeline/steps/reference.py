"""reference: validation inputs and the original framework's fp32 outputs, made once per model.

reference.json holds all else that accuracy rests on (labels, options), so that what changes it
changes this folder, on which validate depends.
"""

from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.figure import ValidatedOn
from pipeline.host import atomic
from pipeline.host.progress import track
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.spec import Model
from pipeline.steps import _items, _source
from pipeline.steps._facts import FILE, Facts

INVENTED, SEED = 32, 0


def reference(model: Model, layout: Layout) -> None:
    """Fill artifacts/reference/<model>.

    Raises:
        DataError: the validation set cannot be read.
    """
    with atomic.building(layout.work, f"reference/{model.name}") as scratch:
        made = atomic.folder(scratch / "made")
        given, log = _source.given(model, layout), layout.log(f"reference-{model.name}")
        with (
            _source.child(given, scratch=made, log=log) as child,
            _source.crashes("original", model),
        ):
            child.call(
                "pipeline.steps.reference:make", given, made / "reference", returns=type(None)
            )
        atomic.publish(made / "reference", layout.reference(model.name))


def make(given: _source.Given, out: Path) -> None:
    """In a child: run the original model over the validation inputs."""
    model, source, _ = _source.opened(given)
    write(model, source, out)


def write(model: Model, source: Path, out: Path) -> None:
    """Write a reference folder: validation inputs, the original's outputs, and what they are."""
    exporter, task = kinds.load("format", model.format), kinds.load("task", model.task)
    options, _ = task.resolve(model, source)
    out.mkdir()
    items, validated_on = _judged_on(task, model, source, options)
    inputs = task.encode(items, source, model, options)
    networks = exporter.original(source, model)
    outputs = [
        task.run(networks, sample, options)
        for sample in track(inputs, len(inputs), f"reference {model.name}")
    ]
    samples.save(inputs, out / samples.INPUTS)
    samples.save(outputs, out / samples.OUTPUTS)
    facts = Facts(
        task=model.task,
        options=options.to_dict(),
        original=exporter.baseline(),
        items=tuple((_told(item.input), item.label) for item in items),
        validated_on=validated_on,
    )
    (out / FILE).write_text(facts.json(), encoding="utf-8")


def _judged_on(
    task: Any, model: Model, source: Path, options: Any
) -> tuple[list[Any], ValidatedOn]:
    """What the model is judged on, and what that is."""
    if model.validation is None:
        return task.invent(source, model, options, INVENTED, SEED), "invented"
    items = _items.read(task, model.validation)
    labelled = any(item.label is not None for item in items)
    return items, "labels" if labelled else "inputs"


def _told(given: Any) -> Any:
    """An item's input as JSON; of a file its name, for where it lies is of this machine."""
    if isinstance(given, list | tuple):
        return [_told(one) for one in given]
    return given.name if isinstance(given, Path) else given
