"""What goes into a network and comes out of it, and what a network is to those who call it."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Vector = npt.NDArray[np.float64]
Tensors = Mapping[str, Array]  # by tensor name


class Network(Protocol):
    """Something that maps named tensors to named tensors: the original, or an IR on a device."""

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by tensor name."""

    def reset(self) -> None:
        """Forget what former calls left behind (a cache of keys and values)."""


Networks = Mapping[str, Network]  # by the name of the IR file, `openvino_model`
