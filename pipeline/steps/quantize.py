"""quantize: an exported IR at a variant's precision: the artifact.

It runs in a child process at a pinned instruction set, because calibration statistics depend on it
and the same recipe must give the same bytes on every machine.
"""

import shutil
from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.host import atomic, isa, sandbox
from pipeline.layout import Layout
from pipeline.networks import ir, samples, weights
from pipeline.record import to_json
from pipeline.spec import Params, Variant
from pipeline.steps.machine import versions


def quantize(params: Params, variant: Variant, layout: Layout) -> None:
    """Fill artifacts/ir/<variant> and write its provenance.

    Raises:
        PrecisionError: the model cannot be had at that precision.
    """
    options = params.options(variant)
    level = str(options.get("isa", isa.DEFAULT))
    with atomic.building(layout.work, f"ir/{variant.name}") as scratch:
        made = sandbox.run(
            "pipeline.steps.quantize:convert",
            layout.export(variant.model).resolve(),
            variant.precision,
            options,
            layout.calibration(variant.model).resolve(),
            scratch / "ir",
            log=layout.log(f"quantize-{variant.name}"),
            env=isa.ENVIRONMENT[level],
        )
        provenance = scratch / "provenance.json"
        provenance.write_text(to_json({"precision": variant.precision, "isa": level, **made}))
        atomic.publish(scratch / "ir", layout.ir(variant.name))
        atomic.publish(provenance, layout.provenance(variant.name))


def convert(
    source: Path, name: str, options: dict[str, object], calibration: Path, out: Path
) -> dict[str, Any]:
    """In a child: write every network at the precision, and what lies beside them unchanged."""
    precision = kinds.load("precision", name)
    networks = ir.networks(source)
    beside = shutil.ignore_patterns(*(f"{network}.*" for network in networks))
    shutil.copytree(source, out, ignore=beside)
    complete = precision.Options.from_dict(options)
    ignored = weights.IgnoredScope(**complete.to_dict().get("ignored_scope", {}))
    made: dict[str, Any] = {"weights": {}, "rt_info": {}}
    for network in networks:
        exported = ir.read(source, network)
        keep = ir.names(exported)
        applied, figures = precision.apply(exported, complete, lambda: samples.load(calibration))
        counted = weights.sizes(applied, ignored)
        weights.demand(counted, precision.WEIGHTS, f"precision {name}: {network}")
        made["weights"][network] = {"bytes": counted, **figures}
        made["rt_info"][network] = ir.write(applied, out, network, keep=keep)
    return {
        "options": complete.to_dict(),
        "toolchain": versions(precision.TOOLCHAIN),
        **made,
    }
