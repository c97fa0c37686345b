"""validate: what a variant's outputs are worth, against the original's; it records, never judges.

Measured at fp32 execution, which shows what the weights lost, and at the device's default
execution precision, which is what a consumer gets.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline import kinds
from pipeline.errors import DeviceError
from pipeline.evidence import Accuracy, Execution
from pipeline.host import atomic, sandbox
from pipeline.host.progress import track
from pipeline.host.walls import Access
from pipeline.ipfs.unixfs.importer import folder_cid
from pipeline.layout import Layout
from pipeline.networks import metrics, samples
from pipeline.networks.session import Session, missing
from pipeline.spec import Model, Params, Variant
from pipeline.steps._facts import FILE, Facts

EXECUTIONS = ("f32", "default")


def validate(params: Params, variant: Variant, layout: Layout) -> Accuracy:
    """Write artifacts/accuracy/<variant>.json.

    Raises:
        DeviceError: the validation device is not there.
    """
    device, model = params.validation.device, params.model(variant.model).absolute()
    folder, reference = layout.ir(variant.name).resolve(), layout.reference(model.name).resolve()
    with atomic.building(layout.work, f"accuracy/{variant.name}") as scratch:
        measured = sandbox.run(
            "pipeline.steps.validate:measure",
            folder,
            reference,
            model.to_dict(),
            device,
            returns=dict[str, Any],
            scratch=scratch,
            log=layout.log(f"validate-{variant.name}"),
            access=Access(reads=(folder, reference, Path(model.validation)), devices=True),
            limits=model.limits,
        )
    accuracy = Accuracy.from_dict(
        {
            "variant": variant.name,
            "cid": str(folder_cid(layout.ir(variant.name))),
            "device": device,
            **measured,
        }
    )
    atomic.write_text(accuracy.json(), layout.accuracy(variant.name), layout.work)
    return accuracy


def measure(
    folder: Path, reference: Path, fields: dict[str, object], device: str
) -> dict[str, Any]:
    """In a child: run the IR over the validation inputs at each execution precision."""
    if (why := missing(device)) is not None:
        raise DeviceError(f"validate.device: {why}")
    model = Model.from_dict(fields)
    task = kinds.load("task", model.task)
    facts = Facts.read(reference / FILE)
    options, labels = task.Resolved.from_dict(facts.options), np.array(facts.labels)
    inputs = samples.load(reference / samples.INPUTS)
    expected = samples.load(reference / samples.OUTPUTS)
    vectors = [task.embed(options, i, o) for i, o in zip(inputs, expected, strict=True)]
    agreement = task.tokenizer_agreement(folder, model, options, inputs)
    lengths = [task.size(sample) for sample in inputs]
    executions = []
    for requested in EXECUTIONS:
        session = Session(folder, device, execution=requested)
        outputs = [session.infer(i) for i in track(inputs, len(inputs), f"validate {requested}")]
        own = [task.embed(options, i, o) for i, o in zip(inputs, outputs, strict=True)]
        execution = Execution(
            requested=requested,
            precision=session.execution_precision,
            fidelity=metrics.fidelity(expected, outputs, vectors, own, lengths),
            task=metrics.task_score(
                task.METRIC,
                task.score,
                task.predictions(vectors),
                task.predictions(own),
                labels,
            ),
            tokenizer_agreement=agreement,
        )
        executions.append(execution.to_dict())
    return {"executions": executions, "execution_devices": session.execution_devices}
