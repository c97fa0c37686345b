"""fp32: the checkpoint as it is. A checkpoint of 16 bits does not become more by a wider label."""

from pathlib import Path
from typing import Any

from pipeline.networks import ir
from pipeline.precisions import Inputs
from pipeline.record import Record

TOOLCHAIN = ("openvino",)


class Options(Record):
    """None: there is nothing to choose."""


def write(source: Path, options: Options, inputs: Inputs, out: Path) -> dict[str, Any]:
    """Write the model with fp32 weights.

    Raises:
        PrecisionError: the checkpoint is of another type.
    """
    model = ir.read(source)
    ir.demand_floats(model, "f32", "fp32")
    return ir.write(model, out)
