"""package: a variant's folder becomes an artifact with a CID, or is refused with every figure.

The folder is read and never written; what is known of it lies beside it.
"""

from typing import Any

from pipeline import gate, manifest
from pipeline.errors import IntegrityError
from pipeline.evidence import Accuracy
from pipeline.gate import Verdict
from pipeline.host import atomic
from pipeline.ipfs import unixfs
from pipeline.layout import Layout
from pipeline.manifest import FileEntry
from pipeline.record import Record
from pipeline.spec import Params, Variant
from pipeline.steps.export import Exported
from pipeline.steps.fetch import SourceLock
from pipeline.steps.quantize import Quantized

ARTIFACT = "artifact.json"
REFUSED = "refused.json"


class Provenance(Record):
    """How an artifact's bytes were made: enough to make them again.

    Args:
        source: what params.yaml named, its revision, license and files.
        recipe: precision, options as they were used, instruction set, bytes of the weights.
        toolchain: versions by stage.
        stamps: what the tools wrote into rt_info and the IR does not carry.
        notes: where params.yaml contradicts what the model's repository says.
        removed: what parsers did not get to see of the source's configurations.
        walls: what held the processes in that made it.
    """

    source: SourceLock
    recipe: dict[str, Any]
    toolchain: dict[str, Any]
    stamps: dict[str, Any]
    notes: tuple[str, ...]
    removed: tuple[str, ...]
    walls: dict[str, tuple[str, ...]]


class Artifact(Record):
    """A folder known by its CID; or one that its gate refused, with the same facts."""

    variant: str
    cid: str
    profile: str
    size_bytes: int
    files: tuple[FileEntry, ...]
    provenance: Provenance
    verdicts: tuple[Verdict, ...]

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """The bounds that were not met."""
        return tuple(verdict for verdict in self.verdicts if not verdict.met)


def package(params: Params, variant: Variant, layout: Layout) -> Artifact:
    """Fill artifacts/package/<variant> with artifact.json, or refused.json.

    Raises:
        IntegrityError: the folder is not the one that was validated.
    """
    folder = layout.ir(variant.name)
    dag = unixfs.import_path(folder)
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
        verdicts=tuple(gate.judge(params.gate(variant), accuracy)),
    )
    with atomic.building(layout.work, f"package/{variant.name}") as scratch:
        built = scratch / "package"
        built.mkdir()
        (built / (REFUSED if artifact.refusals else ARTIFACT)).write_text(artifact.json())
        atomic.publish(built, layout.package(variant.name))
    return artifact


def read(variant: str, layout: Layout) -> Artifact:
    """The packaged artifact, refused or not."""
    folder = layout.package(variant)
    refused = folder / REFUSED
    return Artifact.read(refused if refused.exists() else folder / ARTIFACT)


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
