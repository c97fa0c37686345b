"""int8_weights: weights of 8 bits, activations left to the device; NNCF compress_weights."""

from typing import TYPE_CHECKING, Any, Literal

from pipeline.networks import weights
from pipeline.precisions import Data, _nncf
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("nncf", "openvino")
BITS = 8
NEEDS_CALIBRATION = False


class Options(Record):
    """Arguments of nncf.compress_weights, under its own names and with its own defaults."""

    mode: Literal["int8_asym", "int8_sym"] = "int8_asym"
    ignored_scope: weights.IgnoredScope = weights.NOTHING


def apply(network: "ov.Model", options: Options, data: Data) -> tuple["ov.Model", dict[str, Any]]:
    """The network with compressed weights: a scale for each output channel or row of a table.

    Raises:
        PrecisionError: NNCF cannot take the network or an option.
    """
    import nncf

    weights.widen(network)
    with _nncf.speaking("int8_weights"):
        compressed = nncf.compress_weights(
            network,
            mode=nncf.CompressWeightsMode(options.mode),
            ignored_scope=_nncf.ignored(options.ignored_scope),
        )
    return compressed, {}


def check(network: "ov.Model", options: Options) -> None:
    """Nearly all bytes of the weights are of 8 bits, or a PrecisionError."""
    weights.hold(network, ("i8", "u8"), "int8_weights", options.ignored_scope)
