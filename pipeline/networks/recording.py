"""What each network of a model is fed while its task runs: that is what it is calibrated on.

So the decoder of an encoder's outputs, or of its own former ones, is calibrated on real ones.
"""

from collections.abc import Collection

from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Array, Network, Tensors


class Recording:
    """A `Network` that remembers what another one is fed.

    Args:
        network: the other one.
        wanted: the names of its inputs.

    Attributes:
        seen: the inputs of each call, as the network takes them.
    """

    def __init__(self, network: Network, wanted: Collection[str]) -> None:
        self.seen: list[dict[str, Array]] = []
        self._network, self._wanted = network, wanted
        self.reset = network.reset

    def __call__(self, inputs: Tensors) -> Tensors:
        """What the other one makes of it."""
        self.seen.append({name: array.copy() for name, array in fit(inputs, self._wanted).items()})
        return self._network(inputs)
