"""fp16: weights halved, arithmetic left to the device (openvino.save_model, compress_to_fp16)."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.networks import ir, weights
from pipeline.precisions import Data
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("numpy", "openvino")
BITS = 16
NEEDS_CALIBRATION = False


class Options(Record):
    """None: there is nothing to choose."""


def apply(network: "ov.Model", options: Options, data: Data) -> tuple["ov.Model", dict[str, Any]]:
    """The network with fp16 weights; the record counts what fp16 could not hold of wider ones.

    Raises:
        PrecisionError: a weight overflows, or too many become zero.
    """
    import openvino as ov

    weights.widen(network)
    counts = weights.narrowed(network)
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(network, Path(folder) / f"{ir.MODEL}.xml", compress_to_fp16=True)
        narrow = ir.read(Path(folder))  # mapped, so it outlives the file
    return narrow, {"narrowed": counts._asdict()}


def check(network: "ov.Model", options: Options) -> None:
    """Nearly all bytes of the weights are fp16, or a PrecisionError."""
    weights.hold(network, ("f16",), "fp16")
