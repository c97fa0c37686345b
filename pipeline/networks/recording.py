"""What each network of a model is fed while its task runs: that is what it is calibrated on.

So the decoder of an encoder's outputs, or of its own former ones, is calibrated on real ones.
"""

from collections.abc import Collection

import numpy as np

from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Array, Network, Tensors

# What a network that remembers is fed a part of in each call, and where the parts go on.
_GROWING = {"input_ids": 1, "inputs_embeds": 1, "position_ids": -1, "cache_position": 0}


class Recording:
    """A `Network` that remembers what another one is fed.

    Of one that remembers itself (a cache of keys and values), all that it is fed from one `reset`
    to the next is one sample, as if fed in one call: NNCF forgets between samples, and the same
    tokens at once give the same activations.

    Args:
        network: the other one.
        wanted: the names of its inputs.
        remembers: whether it has states.

    Attributes:
        seen: the samples, as the network takes them.
    """

    def __init__(self, network: Network, wanted: Collection[str], *, remembers: bool) -> None:
        self.seen: list[dict[str, Array]] = []
        self._network, self._wanted, self._remembers = network, wanted, remembers
        self._goes_on = False

    def __call__(self, inputs: Tensors) -> Tensors:
        """What the other one makes of it."""
        fed = {name: array.copy() for name, array in fit(inputs, self._wanted).items()}
        if self._goes_on:
            self.seen.append(_joined(self.seen.pop(), fed))
        else:
            self.seen.append(fed)
        self._goes_on = self._remembers
        return self._network(inputs)

    def reset(self) -> None:
        """Forget the states; a new sample begins."""
        self._goes_on = False
        self._network.reset()


def _joined(before: Tensors, fed: Tensors) -> dict[str, Array]:
    return {
        name: np.concatenate([before[name], array], axis=_GROWING[name])
        if name in _GROWING
        else array
        for name, array in fed.items()
    }
