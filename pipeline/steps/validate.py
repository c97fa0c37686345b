"""validate: what a variant's outputs are worth, against the original's; it records, never judges.

Measured at fp32 execution, which shows what the weights lost, and at the device's default
execution precision, which is what a consumer gets.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.errors import DeviceError
from pipeline.evidence import Accuracy, Execution
from pipeline.host import atomic, sandbox
from pipeline.host.progress import track
from pipeline.host.walls import Access
from pipeline.ipfs.unixfs.importer import folder_cid
from pipeline.layout import Layout
from pipeline.networks import ir, samples
from pipeline.networks.session import missing
from pipeline.networks.sessions import open_session
from pipeline.spec import Params, Variant
from pipeline.steps._facts import FILE, Facts
from pipeline.tasks import Item, Trial

EXECUTIONS = ("f32", "default")


def validate(params: Params, variant: Variant, layout: Layout) -> Accuracy:
    """Write artifacts/accuracy/<variant>.json.

    Raises:
        DataError: what the artifact gives cannot be measured.
        DeviceError: the validation device is not there.
    """
    with atomic.building(layout.work, f"accuracy/{variant.name}") as scratch:
        log = layout.log(f"validate-{variant.name}")
        measured = run(params, variant, layout, layout.ir(variant.name), scratch, log)
    accuracy = Accuracy.from_dict(
        {
            "variant": variant.name,
            "cid": str(folder_cid(layout.ir(variant.name))),
            "device": params.validation.device,
            **measured,
        }
    )
    atomic.write_text(accuracy.json(), layout.accuracy(variant.name), layout.work)
    return accuracy


def run(
    params: Params, variant: Variant, layout: Layout, folder: Path, scratch: Path, log: Path
) -> dict[str, Any]:
    """What `measure` finds out in a child about a folder that holds a variant."""
    folder, reference = folder.resolve(), layout.reference(variant.model).resolve()
    return sandbox.run(
        "pipeline.steps.validate:measure",
        folder,
        reference,
        params.validation.device,
        params.model(variant.model).metrics,
        returns=dict[str, Any],
        scratch=scratch,
        log=log,
        access=Access(reads=(folder, reference), devices=True),
        limits=params.model(variant.model).limits,
    )


def measure(
    folder: Path, reference: Path, device: str, metrics: Sequence[str] = ()
) -> dict[str, Any]:
    """In a child: run the IR over the validation inputs at each execution precision."""
    if (why := missing(device)) is not None:
        raise DeviceError(f"validate.device: {why}")
    facts = Facts.read(reference / FILE)
    task = kinds.load("task", facts.task)
    judges = [task, *(kinds.load("metric", name) for name in metrics)]
    options = task.Resolved.from_dict(facts.options)
    inputs = samples.load(reference / samples.INPUTS)
    expected = samples.load(reference / samples.OUTPUTS)
    executions: list[dict[str, Any]] = []
    devices: tuple[str, ...] = ()
    for requested in EXECUTIONS:
        sessions = {
            name: open_session(ir.read(folder, name), device, execution=requested)
            for name in ir.networks(folder)
        }
        measured = [
            task.run(sessions, sample, options, wanted)
            for sample, wanted in track(
                zip(inputs, expected, strict=True), len(inputs), f"validate {requested}"
            )
        ]
        items = [Item(*item) for item in facts.items]
        trial = Trial(items, inputs, expected, measured, folder, options)
        first = next(iter(sessions.values()))
        execution = Execution(
            requested=requested,
            precision=first.execution_precision,
            figures=tuple(figure for judge in judges for figure in judge.judge(trial)),
        )
        executions.append(execution.to_dict())
        devices = first.execution_devices
    return {
        "executions": executions,
        "execution_devices": devices,
        "validated_on": facts.validated_on,
        "original": facts.original,
    }
