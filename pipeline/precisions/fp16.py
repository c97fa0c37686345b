"""fp16: weights halved, arithmetic left to the device (openvino.save_model, compress_to_fp16)."""

import tempfile
from pathlib import Path
from typing import Any

from pipeline.networks import ir
from pipeline.precisions import Inputs
from pipeline.record import Record

TOOLCHAIN = ("openvino",)


class Options(Record):
    """None: there is nothing to choose."""


def write(source: Path, options: Options, inputs: Inputs, out: Path) -> dict[str, Any]:
    """Write the model with fp16 weights.

    Raises:
        PrecisionError: the result is not fp16 (a bf16 checkpoint is not narrowed).
    """
    import openvino as ov

    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        ov.save_model(ir.read(source), Path(scratch) / f"{ir.MODEL}.xml", compress_to_fp16=True)
        model = ir.read(Path(scratch))
        ir.demand_floats(model, "f16", "fp16")
        return ir.write(model, out)
