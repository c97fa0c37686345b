"""What numbers a model is held in: one file per precision, named as in params.yaml.

Each has
    TOOLCHAIN                             distributions whose versions decide the bytes
    Options                               a Record: its recipe, under NNCF's own names
    write(source, options, inputs, out)   writes the model of one IR folder into another; returns
                                          what goes to the provenance

`inputs` gives the calibration inputs when called, so that only those who look at data load it.
"""

from collections.abc import Callable, Sequence

from pipeline.networks.tensors import Tensors

Inputs = Callable[[], Sequence[Tensors]]
