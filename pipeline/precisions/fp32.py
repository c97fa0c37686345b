"""fp32: the checkpoint's values as they are, in 32 bits; those of 16 bits are widened exactly."""

from typing import TYPE_CHECKING, Any

from pipeline.networks import weights
from pipeline.precisions import Data
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("openvino",)
BITS = 32
NEEDS_CALIBRATION = False


class Options(Record):
    """None: there is nothing to choose."""


def apply(network: "ov.Model", options: Options, data: Data) -> tuple["ov.Model", dict[str, Any]]:
    """The network with fp32 weights."""
    weights.widen(network)
    return network, {}


def check(network: "ov.Model", options: Options) -> None:
    """Nearly all bytes of the weights are fp32, or a PrecisionError."""
    weights.hold(network, ("f32",), "fp32")
