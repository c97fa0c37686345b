"""What numbers a model is held in: one file per precision, named as in params.yaml.

Each has
    TOOLCHAIN                           distributions whose versions decide the bytes
    WEIGHTS                             the element types that the weights promise to be of
    NEEDS_CALIBRATION                   whether `apply` calls its `inputs`
    Options                             a Record: its recipe, under NNCF's own names
    apply(network, options, inputs)     the network at the precision, and figures for the record;
                                        touches no file

`inputs` gives the calibration inputs when called, so that only those who look at data load it.
"""

from collections.abc import Callable, Sequence

from pipeline.networks.tensors import Tensors

INTERFACE = ("TOOLCHAIN", "WEIGHTS", "NEEDS_CALIBRATION", "Options", "apply")

Inputs = Callable[[], Sequence[Tensors]]
