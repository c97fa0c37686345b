"""Networks of a static batch, which are fed any number of items.

A batch that is short is filled up with its last item, of which the outputs are cut off again; of
more items than fit there are several batches. What takes any batch is not touched.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.networks import ports
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Array, Network, Tensors

if TYPE_CHECKING:
    import openvino as ov


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
