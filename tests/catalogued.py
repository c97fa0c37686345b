"""A project whose catalog lists artifacts that are quick to make: for whatever only moves bytes."""

from pathlib import Path

import conftest

from pipeline.evidence import Accuracy
from pipeline.gate import Bound, Verdict
from pipeline.ipfs import unixfs
from pipeline.ipfs.unixfs import Dag
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.provenance import Provenance
from pipeline.steps.catalog import Catalog, Entry, Refused

PARAMS = conftest.PARAMS.partition("pins:")[0]  # the targets are the test's own
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "openvino_model.bin": bytes(range(251)) * 8400,  # two chunks and a bit, all different
    "openvino_model.xml": b"<net/>",
}


def make(
    root: Path, pins: str, *, listed: tuple[str, ...], refused: tuple[str, ...] = ()
) -> Layout:
    """A project with these artifacts, all of the same bytes, and a `pins:` section."""
    layout = Layout(root)
    root.mkdir()
    layout.params.write_text(f"{PARAMS}pins:\n{pins}")
    for variant in (*listed, *refused):
        layout.ir(variant).mkdir(parents=True)
        for name, content in FILES.items():
            (layout.ir(variant) / name).write_bytes(content)
    catalog = Catalog(
        artifacts=tuple(_entry(variant, layout) for variant in listed),
        refusals=tuple(_refusal(variant, layout) for variant in refused),
        failures=(),
    )
    layout.catalog.write_text(catalog.json())
    return layout


def dag_of(layout: Layout, variant: str) -> Dag:
    return unixfs.import_path(layout.ir(variant))


def _entry(variant: str, layout: Layout) -> Entry:
    dag = dag_of(layout, variant)
    source = SourceLock(source="file:x", revision="1", license=None, files=())
    return Entry(
        variant=variant,
        cid=str(dag.root),
        profile=dag.profile.name,
        size_bytes=dag.size_bytes,
        provenance=Provenance(
            source=source, recipe={}, toolchain={}, stamps={}, notes=(), removed=(), walls={}
        ),
        accuracy=_accuracy(variant, dag),
        benchmarks=(),
    )


def _refusal(variant: str, layout: Layout) -> Refused:
    bound = Bound(metric="cosine_mean", comparison=">=", figure=0.9)
    verdict = Verdict(bound=bound, execution="f32", measured=0.5, met=False)
    accuracy = _accuracy(variant, dag_of(layout, variant))
    return Refused(
        variant=variant,
        stage="package",
        cell=variant,
        reason=str(verdict),
        verdicts=(verdict,),
        accuracy=accuracy,
        benchmarks=(),
    )


def _accuracy(variant: str, dag: Dag) -> Accuracy:
    return Accuracy(
        variant=variant,
        cid=str(dag.root),
        device="CPU",
        execution_devices=("CPU",),
        validated_on="labels",
        executions=(),
    )
