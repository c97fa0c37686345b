"""A project whose catalog lists artifacts that are quick to make: for whatever only moves bytes."""

from pathlib import Path

import conftest

from pipeline.evidence import Accuracy
from pipeline.gate import Bound, Verdict
from pipeline.ipfs import unixfs
from pipeline.ipfs.unixfs import Dag
from pipeline.layout import Layout
from pipeline.steps.catalog import Catalog, Entry, Refusal
from pipeline.steps.fetch import SourceLock
from pipeline.steps.package import Provenance

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
        weights_bytes=0,
        provenance=Provenance(
            source=source, recipe={}, toolchain={}, stamps={}, notes=(), removed=(), walls={}
        ),
        accuracy=_accuracy(variant, dag),
        benchmarks=(),
    )


def _refusal(variant: str, layout: Layout) -> Refusal:
    bound = Bound(metric="cosine_mean", comparison=">=", figure=0.9)
    verdict = Verdict(bound=bound, execution="f32", measured=0.5, met=False)
    accuracy = _accuracy(variant, dag_of(layout, variant))
    return Refusal(variant=variant, verdicts=(verdict,), accuracy=accuracy)


def _accuracy(variant: str, dag: Dag) -> Accuracy:
    return Accuracy(
        variant=variant,
        cid=str(dag.root),
        device="CPU",
        execution_devices=("CPU",),
        executions=(),
    )
