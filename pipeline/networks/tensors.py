"""What goes into a network and comes out of it: dicts of tensor name to NumPy array."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Vector = npt.NDArray[np.float64]
Tensors = Mapping[str, Array]
Run = Callable[[Tensors], Tensors]
