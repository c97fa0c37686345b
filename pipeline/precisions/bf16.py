"""bf16: the weights of a bf16 checkpoint as they are; no other checkpoint is rounded to it."""

from typing import TYPE_CHECKING, Any

from pipeline.errors import PrecisionError
from pipeline.networks import weights
from pipeline.precisions import Inputs
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("openvino",)
WEIGHTS = ("bf16",)
BITS = 16
NEEDS_CALIBRATION = False


class Options(Record):
    """None: there is nothing to choose."""


def apply(
    network: "ov.Model", options: Options, inputs: Inputs
) -> tuple["ov.Model", dict[str, Any]]:
    """The network as it was exported.

    Raises:
        PrecisionError: the checkpoint is of another type; fp16 is the half precision for it.
    """
    try:
        label = f"precision bf16: {network.get_friendly_name()}"
        weights.demand(weights.sizes(network), WEIGHTS, label)
    except PrecisionError as e:
        raise PrecisionError(f"{e}; only a bf16 checkpoint stays bf16: want fp16") from e
    return network, {}
