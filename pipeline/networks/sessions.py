"""Sessions of networks as consumers want them: those of a static batch take any number of items."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.networks import batched
from pipeline.networks.batched import Batched
from pipeline.networks.session import Session
from pipeline.networks.tensors import Array, Tensors

if TYPE_CHECKING:
    import openvino as ov


def open_session(model: "ov.Model", device: str = "CPU", **how: Any) -> Session:
    """A session of a network; what takes any number of items already is not touched.

    Args:
        model: as `ir.read` gives it.
        device: an OpenVINO device name.
        how: as of `Session`.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
    """
    batch = batched.static(model)
    return Session(model, device, **how) if batch is None else _Batches(model, device, batch, how)


class _Batches(Session):
    """A session whose network has a static batch."""

    def __init__(self, model: "ov.Model", device: str, batch: int, how: Mapping[str, Any]) -> None:
        super().__init__(model, device, **how)
        self._batched = Batched(_Alone(super().infer, self.reset), batch, self.inputs)

    def infer(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """The outputs by tensor name, of as many items as are given."""
        return dict(self._batched({name: np.asarray(given) for name, given in inputs.items()}))

    __call__ = infer


class _Alone:
    """The calls of a session that has the batch which its network wants."""

    def __init__(self, infer: Any, reset: Any) -> None:
        self._infer, self.reset = infer, reset

    def __call__(self, inputs: Tensors) -> Tensors:
        made: Tensors = self._infer(inputs)
        return made
