"""When the calls of a network ended: what a task's loop takes for each token."""

import time

from pipeline.networks.tensors import Network, Tensors


class Timing:
    """A `Network` that notes when each call of another one ended.

    Attributes:
        ended: of each call since the last `reset`, in seconds of time.perf_counter.
        remembers: whether it was ever told to forget, as what generates is before the first token.
    """

    def __init__(self, network: Network) -> None:
        self.ended: list[float] = []
        self.remembers = False
        self._network = network

    def __call__(self, inputs: Tensors) -> Tensors:
        """What the other one makes of it."""
        made = self._network(inputs)
        self.ended.append(time.perf_counter())
        return made

    def reset(self) -> None:
        """Forget the states and the former calls."""
        self.remembers = True
        self.ended.clear()
        self._network.reset()
