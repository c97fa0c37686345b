"""bf16: the weights of a bf16 checkpoint as they are; no other checkpoint is rounded to it."""

from typing import TYPE_CHECKING, Any

from pipeline.errors import PrecisionError
from pipeline.networks import weights
from pipeline.precisions import Data
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("openvino",)
BITS = 16
NEEDS_CALIBRATION = False


class Options(Record):
    """None: there is nothing to choose."""


def apply(network: "ov.Model", options: Options, data: Data) -> tuple["ov.Model", dict[str, Any]]:
    """The network as it was exported."""
    return network, {}


def check(network: "ov.Model", options: Options) -> None:
    """Nearly all bytes of the weights are bf16.

    Raises:
        PrecisionError: the checkpoint is of another type; fp16 is the half precision for it.
    """
    try:
        weights.hold(network, ("bf16",), "bf16")
    except PrecisionError as e:
        raise PrecisionError(f"{e}; only a bf16 checkpoint stays bf16: want fp16") from e
