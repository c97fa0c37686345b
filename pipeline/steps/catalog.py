"""catalog: every artifact and refusal with its evidence; what a consumer picks from.

It lists the cells of params.yaml, not what lies on disk: outputs of removed cells stay there.
"""

from collections.abc import Collection, Sequence

from pipeline import artifact, grid, refusal
from pipeline.artifact import Artifact
from pipeline.evidence import Accuracy, Benchmark
from pipeline.gate import Verdict
from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.provenance import Provenance
from pipeline.record import Record
from pipeline.refusal import Refusal
from pipeline.spec import Params


class Entry(Record):
    """One artifact with everything that was measured of it."""

    variant: str
    cid: str
    profile: str
    size_bytes: int
    provenance: Provenance
    accuracy: Accuracy
    benchmarks: tuple[Benchmark, ...]


class Refused(Record):
    """What was refused: a variant, or its benchmark on a device.

    Args:
        variant: the row of the grid; a model that is refused refuses each of its variants.
        stage: the stage that refused it.
        cell: the model, variant, or variant and device that it refused.
        reason: the whole reason.
        verdicts: of a gate, every bound with its figure.
        accuracy: what was measured, if it came so far.
        benchmarks: of a variant; those of one that its gate refused help decide whether to loosen
            that.
    """

    variant: str
    stage: str
    cell: str
    reason: str
    verdicts: tuple[Verdict, ...]
    accuracy: Accuracy | None
    benchmarks: tuple[Benchmark, ...]

    @property
    def log(self) -> str:
        """What the child processes printed of the cell that refused; empty if it is not here.

        A gate has none, and what was refused on another machine has it there.
        """
        return grid.log(f"{self.stage}@{self.cell}", Layout())

    def __str__(self) -> str:
        where = f"{self.stage}@{self.cell}: "
        if self.stage in grid.BY_MODEL:
            return f"{self.variant}: {where}{self.reason}"
        return f"{f'{self.variant}: ' if self.stage == 'package' else where}{self.reason}"


class Failed(Record):
    """A cell that failed for a reason that can be another next time: the next run tries it again.

    Args:
        cell: its address.
        reason: the whole reason.
        log: what its child processes printed; empty if it failed before there was one.
        variants: the variants that are missing in the catalog, or lack a benchmark, because of it.
    """

    cell: str
    reason: str
    log: str
    variants: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.cell}: {self.reason}"


class Catalog(Record):
    """Artifacts, refusals and failures, in the order of params.yaml."""

    artifacts: tuple[Entry, ...]
    refusals: tuple[Refused, ...]
    failures: tuple[Failed, ...]


def catalog(
    params: Params,
    layout: Layout,
    *,
    failures: Sequence[Failed] = (),
    absent: Collection[str] = (),
) -> Catalog:
    """Write artifacts/catalog.json.

    Args:
        params: what to list.
        layout: where it lies.
        failures: the cells that failed.
        absent: the addresses of all cells whose outputs are not there, or not of this build.
    """
    artifacts: list[Entry] = []
    refusals: list[Refused] = []
    for variant in params.variants:
        if f"package@{variant}" in absent:
            continue
        packaged = artifact.read(layout.package(variant))
        measured, others = _benchmarks(variant, params.devices, layout, absent)
        if isinstance(packaged, Refusal):
            refusals.append(_refused(variant, packaged, layout, measured))
        else:
            artifacts.append(_entry(packaged, measured, layout))
        # What an earlier stage refused is handed down to the benchmarks too.
        refusals += [_refused(variant, other, layout) for other in others if other != packaged]
    listed = Catalog(artifacts=tuple(artifacts), refusals=tuple(refusals), failures=tuple(failures))
    atomic.write_text(listed.json(), layout.catalog, layout.work)
    return listed


def _entry(packaged: Artifact, benchmarks: tuple[Benchmark, ...], layout: Layout) -> Entry:
    return Entry(
        variant=packaged.variant,
        cid=packaged.cid,
        profile=packaged.profile,
        size_bytes=packaged.size_bytes,
        provenance=packaged.provenance,
        accuracy=Accuracy.read(layout.accuracy(packaged.variant)),
        benchmarks=benchmarks,
    )


def _benchmarks(
    variant: str, devices: Sequence[str], layout: Layout, absent: Collection[str]
) -> tuple[tuple[Benchmark, ...], list[Refusal]]:
    """A variant's benchmarks in the order of the devices, and the refusals in place of others."""
    measured: list[Benchmark] = []
    refused: list[Refusal] = []
    for device in devices:
        if f"benchmark@{variant}-{device}" in absent:
            continue
        path = layout.benchmark(variant, device)
        if (found := refusal.read(path)) is None:
            measured.append(Benchmark.read(path))
        else:
            refused.append(found)
    return tuple(measured), refused


def _refused(
    variant: str, refused: Refusal, layout: Layout, benchmarks: tuple[Benchmark, ...] = ()
) -> Refused:
    judged = artifact.judged(refused)
    return Refused(
        variant=variant,
        stage=refused.stage,
        cell=refused.cell,
        reason=refused.refused,
        verdicts=judged.verdicts if judged else (),
        accuracy=Accuracy.read(layout.accuracy(variant)) if judged else None,
        benchmarks=benchmarks,
    )
