"""catalog: every artifact and refusal with its evidence; what a consumer picks from.

It lists the cells of params.yaml, not what lies on disk: outputs of removed cells stay there.
"""

from pipeline.evidence import Accuracy, Benchmark
from pipeline.gate import Verdict
from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.networks import ir
from pipeline.record import Record
from pipeline.spec import Params
from pipeline.steps import package
from pipeline.steps.package import Provenance


class Entry(Record):
    """One artifact with everything that was measured of it."""

    variant: str
    cid: str
    profile: str
    size_bytes: int
    weights_bytes: int
    provenance: Provenance
    accuracy: Accuracy
    benchmarks: tuple[Benchmark, ...]


class Refusal(Record):
    """A variant that its gate refused, and every bound with its figure."""

    variant: str
    verdicts: tuple[Verdict, ...]
    accuracy: Accuracy

    def __str__(self) -> str:
        unmet = [
            f"{v.bound.metric} {v.measured:.6g} at {v.execution}, want {v.bound.comparison} "
            f"{v.bound.figure:g}"
            for v in self.verdicts
            if not v.met
        ]
        return f"{self.variant}: {'; '.join(unmet)}"


class Catalog(Record):
    """Artifacts and refusals, in the order of params.yaml."""

    artifacts: tuple[Entry, ...]
    refusals: tuple[Refusal, ...]


def catalog(params: Params, layout: Layout) -> Catalog:
    """Write artifacts/catalog.json."""
    artifacts, refusals = [], []
    for name in params.variants:
        packaged = package.read(name, layout)
        accuracy = Accuracy.read(layout.accuracy(name))
        if packaged.refusals:
            refusals.append(Refusal(variant=name, verdicts=packaged.verdicts, accuracy=accuracy))
            continue
        artifacts.append(
            Entry(
                variant=name,
                cid=packaged.cid,
                profile=packaged.profile,
                size_bytes=packaged.size_bytes,
                weights_bytes=sum(
                    f.size_bytes for f in packaged.files if f.path == f"{ir.MODEL}.bin"
                ),
                provenance=packaged.provenance,
                accuracy=accuracy,
                benchmarks=tuple(
                    Benchmark.read(layout.benchmark(name, device)) for device in params.devices
                ),
            )
        )
    listed = Catalog(artifacts=tuple(artifacts), refusals=tuple(refusals))
    atomic.write_text(listed.json(), layout.catalog, layout.work)
    return listed
