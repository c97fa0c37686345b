"""Networks of a static batch, which are fed any number of items.

A batch that is short is filled up with its last item, of which the outputs are cut off again; of
more items than fit there are several batches. What takes any batch is not touched.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.networks import ports
from pipeline.networks.inputs import fit
from pipeline.networks.session import Session
from pipeline.networks.tensors import Array, Network, Tensors

if TYPE_CHECKING:
    import openvino as ov


def session(model: "ov.Model", device: str = "CPU", **how: Any) -> Session:
    """A session of a network, of which one of a static batch takes any number of items.

    Args:
        model: as `ir.read` gives it.
        device: an OpenVINO device name.
        how: as of `Session`.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
    """
    batch = static(model)
    return Session(model, device, **how) if batch is None else _Batches(model, device, batch, how)


def static(model: "ov.Model") -> int | None:
    """How many items a network takes at once; None where that is open, or it has no such axis.

    It has one where every input and every output begins with the same static axis.
    """
    if model.get_sinks():
        return None
    found = {(*ports.sizes(port), -1)[0] for port in (*model.inputs, *model.outputs)}
    batch = found.pop()
    return None if found or batch < 1 else batch


class Batched:
    """A network of a static batch as one that takes any.

    Args:
        network: takes `batch` items at once, and no other number.
        batch: how many.
        wanted: the names of its inputs.
    """

    def __init__(self, network: Network, batch: int, wanted: Collection[str]) -> None:
        self._network, self._batch, self._wanted = network, batch, wanted
        self.reset = network.reset

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs of as many items as are given."""
        fed = fit(inputs, self._wanted)
        counts = {name: len(array) if array.ndim else 0 for name, array in fed.items()}
        (items, *others) = {*counts.values()}
        if others or not items:
            raise DataError(f"inputs of {counts} items: want as many of each, and at least one")
        if items == self._batch:
            return self._network(fed)
        parts = [self._network(self._filled(fed, at)) for at in range(0, items, self._batch)]
        return {name: np.concatenate([part[name] for part in parts])[:items] for name in parts[0]}

    def _filled(self, fed: Tensors, start: int) -> dict[str, Array]:
        """One batch of the items from there on."""
        places = np.arange(start, start + self._batch)
        return {n: array[np.minimum(places, len(array) - 1)] for n, array in fed.items()}


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
