"""What a network's outputs lose by quantization, and what restoring layers gives back of it.

The error is relative and squared: the energy of the difference to the original's outputs over
theirs, summed over the inputs. So independent errors add up, and a layer has a share of them: what
goes when it alone is as it was. Where errors merely show (`seen`) says little about that: they grow
and shrink along the way, and a small one at the front of a network can be the worst.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.host.progress import track
from pipeline.networks import ports
from pipeline.networks.layers import Layer, Layers, Point
from pipeline.networks.session import compile_model
from pipeline.networks.tensors import Array, Tensors

if TYPE_CHECKING:
    import openvino as ov

MOST = 64  # trials, each of which compiles the network; and as many more within the worst runs
STANDS_OUT = 0.05  # of the squared error, which a layer must give back to be worth naming
ENOUGH = 0.9  # of the squared error: what is left is a third
SHOWN = 10


class Seen(NamedTuple):
    """The relative error of what a layer computes with, and of what it gives."""

    fed: float
    gives: float


class Trials:
    """A quantized network on trial.

    Args:
        layers: of the network, beside its original.
        original, quantized: the two networks.
        samples: what they are fed.

    Attributes:
        error: the relative error of the outputs, squared.

    Raises:
        DataError: there is no output of floats.
    """

    def __init__(
        self,
        layers: Layers,
        original: "ov.Model",
        quantized: "ov.Model",
        samples: Sequence[Tensors],
    ) -> None:
        self.layers, self._samples = layers, samples
        self._original, self._quantized = original, quantized
        self._expected = list(_outputs(original, samples))
        self.error = self._error(quantized)

    def gain(self, names: Collection[str]) -> float:
        """The share of the squared error that goes when some layers are restored."""
        return 1 - self._error(self.layers.restored(names)) / self.error if self.error else 0.0

    def shares(self, most: int = MOST) -> dict[str, float]:
        """What each layer alone gives back.

        Of more than `most` layers runs of neighbours are tried, and those in the worst runs, so
        that there are at most twice as many trials; the others have no share.
        """
        names = [layer.name for layer in self.layers.found]
        length = ceil(len(names) / most)
        if length <= 1:
            tried = track(names, len(names), "layers restored")
            return {name: self.gain([name]) for name in tried}
        runs = [names[start : start + length] for start in range(0, len(names), length)]
        gains = [self.gain(run) for run in track(runs, len(runs), "runs of layers restored")]
        order = sorted(range(len(runs)), key=lambda index: -gains[index])
        chosen = [name for index in order[: max(most // length, 1)] for name in runs[index]]
        return {n: self.gain([n]) for n in track(chosen, len(chosen), "layers restored")}

    def seen(self) -> dict[str, Seen]:
        """How far each layer is off, by name."""
        points = sorted({p for layer in self.layers.found for p in (*layer.fed, layer.gives)})
        networks = (self._original, self._quantized)
        errors = _relative(*(_within(network, points, self._samples) for network in networks))
        found = dict(zip(points, errors, strict=True))
        return {layer.name: _seen(layer, found) for layer in self.layers.found}

    def _error(self, network: "ov.Model") -> float:
        errors = [e for e in _relative(self._expected, _outputs(network, self._samples)) if e >= 0]
        if not errors:
            raise DataError(f"{network.get_friendly_name()}: no output of floats to compare")
        return float(np.mean(errors))


def worth_leaving(
    gain: Callable[[Collection[str]], float], shares: Mapping[str, float], most: int
) -> dict[str, float]:
    """The layers to leave as they were, worst first, and what each gives back with those before it.

    Those of the worst are taken that give back something worth naming beside the ones before: of
    two that spoil the same one may be enough. So are no more than `most`, and none when nearly all
    is back.
    """
    chosen: dict[str, float] = {}
    for name in worst(shares):
        so_far = max(chosen.values(), default=0.0)
        if shares[name] <= 0 or so_far >= ENOUGH or len(chosen) == most:
            break
        together = gain([*chosen, name])
        if together - so_far >= STANDS_OUT:
            chosen[name] = together
    return chosen


def worst(shares: Mapping[str, float], count: int = SHOWN) -> list[str]:
    """The names with the largest shares."""
    return sorted(shares, key=lambda name: -shares[name])[:count]


def _seen(layer: Layer, errors: Mapping[Point, float]) -> Seen:
    fed = max((errors[point] for point in layer.fed), default=0.0)
    return Seen(max(fed, 0.0) ** 0.5, max(errors[layer.gives], 0.0) ** 0.5)


def _outputs(network: "ov.Model", samples: Iterable[Tensors]) -> Iterator[list[Array]]:
    """What a network gives for each sample, each from a state without a past."""
    compiled = compile_model(network, "CPU", execution="f32")
    request, names = compiled.create_infer_request(), [ports.name(p) for p in compiled.inputs]
    for sample in samples:
        request.reset_state()
        yield list(request.infer([sample[name] for name in names]).values())


def _within(
    network: "ov.Model", points: Sequence[Point], samples: Iterable[Tensors]
) -> Iterator[list[Array]]:
    """What is computed at some points of a network for each sample."""
    watched = network.clone()
    watched.add_outputs(list(points))
    sources = [result.input_value(0) for result in watched.get_results()]
    places = {(s.get_node().get_friendly_name(), s.get_index()): i for i, s in enumerate(sources)}
    for outputs in _outputs(watched, samples):
        yield [outputs[places[point]] for point in points]


def _relative(expected: Iterable[list[Array]], measured: Iterable[list[Array]]) -> list[float]:
    """The energy of the difference over that of what is expected, by output; -1 of no floats."""
    lost: defaultdict[int, float] = defaultdict(float)
    whole: defaultdict[int, float] = defaultdict(float)
    for theirs, ours in zip(expected, measured, strict=True):
        for index, (wanted, given) in enumerate(zip(theirs, ours, strict=True)):
            energy, difference = _energies(wanted, given)
            whole[index] += energy
            lost[index] += difference
    return [lost[index] / whole[index] if whole[index] > 0 else -1.0 for index in sorted(whole)]


def _energies(wanted: Array, given: Array) -> tuple[float, float]:
    """Of an array, and of another one's difference to it; infinite values (masks) aside."""
    if wanted.dtype.kind != "f" or not wanted.size:
        return 0.0, 0.0
    finite = np.isfinite(wanted)
    whole = np.where(finite, wanted, 0).astype(np.float64)
    energy = float(np.vdot(whole, whole))
    if wanted.shape != given.shape:
        return energy, energy
    lost = whole - np.where(finite, given, 0)
    difference = float(np.vdot(lost, lost))
    return energy, difference if np.isfinite(difference) else energy
