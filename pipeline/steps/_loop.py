"""A task's own loop over its networks, one request after another, and how long its parts take."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.networks import samples
from pipeline.networks.tensors import Networks, Tensors
from pipeline.networks.timing import Timing

WARM_UP = 5
_WARM_UP_S = 1.0


class Loop:
    """What a contender is that runs `task.run`; of what generates, each token is timed.

    Args:
        task: the member of the family.
        options: its `Resolved`.
        networks: of the original, or of an artifact.
    """

    def __init__(self, task: ModuleType, options: Any, networks: Networks) -> None:
        self._task, self._options = task, options
        self._timed = {name: Timing(network) for name, network in networks.items()}

    def feed(self, path: Path, batch: int) -> None:
        """Take these inputs of so many items from here on, and warm up.

        A request of many calls has warmed up after one.
        """
        self.take(samples.load(path)[0], batch)
        end = time.perf_counter() + _WARM_UP_S
        for _ in range(WARM_UP):
            self.run()
            if time.perf_counter() > end:
                break

    def take(self, inputs: Tensors, batch: int) -> None:
        """Take these inputs of so many items from here on."""
        self._inputs, self._batch = inputs, batch

    def run(self) -> None:
        """One request."""
        for network in self._timed.values():
            network.ended.clear()
        self._task.run(self._timed, self._inputs, self._options)

    def latency(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of each request of one turn, and of its tokens."""
        generations: list[dict[str, float | None]] = []

        def timed() -> None:
            started = time.perf_counter()
            self.run()
            seconds = time.perf_counter() - started
            generations.extend(
                _generation(network, started, seconds, self._batch)
                for network in self._timed.values()
                if network.remembers
            )

        return {"latencies_ms": latencies(timed, seconds), "generations": generations}

    def throughput(self, seconds: float) -> dict[str, Any]:
        """Items finished per second of one turn."""
        started = time.perf_counter()
        requests = len(latencies(self.run, seconds))
        return {"per_s": self._batch * requests / (time.perf_counter() - started)}

    @property
    def is_one_call(self) -> bool:
        """Whether a request is one call of one network that forgets."""
        (first, *others) = self._timed.values()
        return not others and not first.remembers


def _generation(
    network: Timing, started: float, seconds: float, batch: int
) -> dict[str, float | None]:
    """One request's figures, as of `evidence.Generation`, of the network that makes tokens."""
    gaps = np.diff(network.ended)
    return {
        "first_token_ms": (network.ended[0] - started) * 1e3,
        "next_token_ms": float(np.median(gaps)) * 1e3 if len(gaps) else None,
        "tokens_per_s": batch * len(network.ended) / seconds,
    }


def latencies(infer: Callable[[], None], seconds: float) -> list[float]:
    """Milliseconds of each request, as many as are begun in so many seconds; at least one."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end or not times:
        infer()
        times.append(since_ms(started))
    return times


def since_ms(started: float) -> float:
    """Milliseconds since a time.perf_counter."""
    return (time.perf_counter() - started) * 1e3
