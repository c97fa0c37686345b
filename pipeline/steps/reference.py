"""reference: validation inputs and the original framework's fp32 outputs, made once per model.

reference.json holds all else that accuracy rests on (labels, options, the digest of the task's
code), so that what changes accuracy changes this folder, on which validate depends.
"""

from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.host import atomic, sandbox
from pipeline.host.progress import track
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.record import to_json
from pipeline.spec import Model

INPUTS = "inputs.npz"
OUTPUTS = "outputs.npz"
FACTS = "reference.json"


def reference(model: Model, layout: Layout) -> None:
    """Fill artifacts/reference/<model>.

    Raises:
        EvidenceError: the validation set cannot be read.
    """
    with atomic.building(layout.work, f"reference/{model.name}") as scratch:
        made = scratch / "reference"
        facts = sandbox.run(
            "pipeline.steps.reference:make",
            layout.source(model.name).resolve(),
            model.to_dict(),
            made,
            log=layout.log(f"reference-{model.name}"),
        )
        (made / FACTS).write_text(to_json(facts))
        atomic.publish(made, layout.reference(model.name))


def make(source: Path, fields: dict[str, object], out: Path) -> dict[str, Any]:
    """In a child: run the original model over the validation inputs."""
    model = Model.from_dict(fields)
    task = kinds.load("task", model.task)
    out.mkdir()
    inputs = task.validation(model, source)
    run = task.original(model, source)
    outputs = [run(sample) for sample in track(inputs, len(inputs), f"reference {model.name}")]
    samples.save(inputs, out / INPUTS)
    samples.save(outputs, out / OUTPUTS)
    return {
        "task": model.task,
        "task_code_sha256": kinds.code_sha256("task", model.task),
        "options": task.resolve(model, source)[0].to_dict(),
        "labels": task.labels(model).tolist(),
    }
