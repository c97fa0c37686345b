"""package: a variant's folder becomes an artifact with a CID, or is refused with every figure.

The folder is read and never written; what is known of it lies beside it.
"""

from pipeline import bounds, gate, manifest
from pipeline.artifact import ARTIFACT, Artifact
from pipeline.errors import GateError, IntegrityError
from pipeline.evidence import Accuracy
from pipeline.host import atomic
from pipeline.ipfs.unixfs.importer import import_path
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.provenance import Exported, Provenance, Quantized
from pipeline.spec import Params, Variant


def package(params: Params, variant: Variant, layout: Layout) -> Artifact:
    """Fill artifacts/package/<variant> with artifact.json.

    Raises:
        GateError: the gate refuses it; its facts are the artifact's record.
        IntegrityError: the folder is not the one that was validated.
    """
    folder = layout.ir(variant.name)
    dag = import_path(folder)
    accuracy = Accuracy.read(layout.accuracy(variant.name))
    if accuracy.cid != str(dag.root):
        raise IntegrityError(f"{folder}: CID {dag.root}: {accuracy.cid} was validated")
    artifact = Artifact(
        variant=variant.name,
        cid=str(dag.root),
        profile=dag.profile.name,
        size_bytes=dag.size_bytes,
        files=manifest.of_folder(folder),
        provenance=_provenance(params, variant, layout),
        verdicts=tuple(gate.judge(bounds.of(params, variant), variant.gate, accuracy)),
    )
    if artifact.unmet:
        reason = "; ".join(map(str, artifact.unmet))
        raise GateError(reason, facts=artifact.to_dict())
    with atomic.building(layout.work, f"package/{variant.name}") as scratch:
        built = atomic.folder(scratch / "package")
        (built / ARTIFACT).write_text(artifact.json())
        atomic.publish(built, layout.package(variant.name))
    return artifact


def _provenance(params: Params, variant: Variant, layout: Layout) -> Provenance:
    model = params.model(variant.model)
    exported = Exported.read(layout.export_provenance(model.name))
    made = Quantized.read(layout.provenance(variant.name))
    return Provenance(
        source=SourceLock.read(layout.source_lock(model.name)),
        recipe=made.model_dump(include={"precision", "options", "isa", "weights"})
        | {"format": model.format, "task": model.task}
        | exported.model_dump(include={"dtype", "checkpoint"}),
        toolchain={"export": exported.toolchain, "quantize": made.toolchain},
        stamps={"export": exported.rt_info, "quantize": made.rt_info},
        notes=exported.notes,
        removed=exported.removed,
        walls={"export": exported.walls, "quantize": made.walls},
    )
