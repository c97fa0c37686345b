"""What numbers a model is held in: one file per precision, named as in params.yaml.

Each has
    TOOLCHAIN                           distributions whose versions decide the bytes
    BITS                                of a weight: 32, 16, 8 or 4; the default gate goes by it
    NEEDS_CALIBRATION                   whether `apply` asks `data` for its `inputs`
    Options                             a Record: its recipe, under NNCF's own names
    apply(network, options, data)       the network at the precision, and figures for the record;
                                        touches no file
    check(network, options)             holds what `apply` made to its name, by its weights, or
                                        raises a PrecisionError (pipeline/networks/weights.py)

`data.inputs(count)` gives what the network is fed of so many calibration inputs, or of all there
are; only those who look at data have it made.
"""

from collections.abc import Sequence
from typing import Protocol

from pipeline.networks.tensors import Tensors

INTERFACE = ("TOOLCHAIN", "BITS", "NEEDS_CALIBRATION", "Options", "apply", "check")


class Data(Protocol):
    """What a network is calibrated on."""

    def inputs(self, count: int) -> Sequence[Tensors]:
        """What the network is fed of the first `count` calibration inputs, or of all there are."""
