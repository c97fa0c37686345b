"""quantize: an exported IR at a variant's precision: the artifact.

It runs in a child process at a pinned instruction set, because calibration statistics depend on it
and the same recipe must give the same bytes on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.host import atomic, isa, sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.networks import canonical, ir, samples, weights, writer
from pipeline.networks.tensors import Tensors
from pipeline.provenance import Quantized
from pipeline.spec import Params, Variant
from pipeline.toolchain import versions


@dataclass(frozen=True)
class Calibration:
    """What a network is calibrated on (precisions.Data), read when it is asked for."""

    path: Path

    def inputs(self) -> Sequence[Tensors]:
        """The calibration inputs."""
        return samples.load(self.path)


def quantize(params: Params, variant: Variant, layout: Layout) -> None:
    """Fill artifacts/ir/<variant> and write its provenance.

    Raises:
        PrecisionError: the model cannot be had at that precision.
    """
    options = params.options(variant)
    level = str(options.get("isa", isa.DEFAULT))
    exported = layout.export(variant.model).resolve()
    calibration = (layout.calibration(variant.model) / samples.INPUTS).resolve()
    with atomic.building(layout.work, f"ir/{variant.name}") as scratch:
        made = atomic.folder(scratch / "made")
        with sandbox.Child(
            scratch=made,
            log=layout.log(f"quantize-{variant.name}"),
            access=Access(reads=(exported, calibration)),
            limits=params.model(variant.model).limits,
            env=isa.ENVIRONMENT[level],
        ) as child:
            told = child.call(
                "pipeline.steps.quantize:convert",
                exported,
                variant.precision,
                options,
                calibration,
                made / "ir",
                returns=dict[str, Any],
            )
            ours = {"precision": variant.precision, "isa": level, "walls": child.walls}
        quantized = Quantized.from_dict(told | ours)
        provenance = scratch / "provenance.json"
        provenance.write_text(quantized.json())
        atomic.publish(made / "ir", layout.ir(variant.name))
        atomic.publish(provenance, layout.provenance(variant.name))


def convert(
    source: Path, name: str, options: dict[str, object], calibration: Path, out: Path
) -> dict[str, Any]:
    """In a child: write every network at the precision, and what lies beside them unchanged."""
    precision = kinds.load("precision", name)
    networks = ir.networks(source)
    ours = {f"{network}{suffix}" for network in networks for suffix in (".xml", ".bin")}
    out.mkdir()
    writer.copy_beside(source, out, lambda name: name not in ours)
    complete = precision.Options.from_dict(options)
    ignored = weights.IgnoredScope(**complete.to_dict().get("ignored_scope", {}))
    made: dict[str, Any] = {"weights": {}, "rt_info": {}}
    for network in networks:
        exported = ir.read(source, network)
        keep = canonical.names(exported)
        applied, figures = precision.apply(exported, complete, Calibration(calibration))
        precision.check(applied, complete)
        made["weights"][network] = {"bytes": weights.sizes(applied, ignored), **figures}
        made["rt_info"][network] = writer.write(applied, out, network, keep=keep)
    return {
        "options": complete.to_dict(),
        "toolchain": versions(precision.TOOLCHAIN),
        **made,
    }
