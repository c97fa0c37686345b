"""int4_sym: weights of 4 bits in groups, each around zero; activations are the device's."""

from typing import TYPE_CHECKING, Any

from pipeline.precisions import Data, _int4
from pipeline.precisions._int4 import Options as Options

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("nncf", "openvino")
BITS = 4
NEEDS_CALIBRATION = False


def apply(network: "ov.Model", options: Options, data: Data) -> tuple["ov.Model", dict[str, Any]]:
    """The network with compressed weights; the record says what came of ratio and group size."""
    return _int4.compress(network, options, "int4_sym")


def check(network: "ov.Model", options: Options) -> None:
    """Nearly all weights that may be of 4 bits are, all others of 8, or a PrecisionError."""
    _int4.check(network, options, "int4_sym")
