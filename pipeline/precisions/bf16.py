"""bf16: the weights of a bf16 checkpoint as they are; no other checkpoint is rounded to it."""

from typing import TYPE_CHECKING, Any

from pipeline.precisions import Inputs
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("openvino",)
WEIGHTS = ("bf16",)


class Options(Record):
    """None: there is nothing to choose."""


def apply(
    network: "ov.Model", options: Options, inputs: Inputs
) -> tuple["ov.Model", dict[str, Any]]:
    """The network as it was exported."""
    return network, {}
