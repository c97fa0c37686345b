"""Where originals run that come as files: on how many threads, and what is called what there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import DataError
from pipeline.networks.session import Session
from pipeline.networks.tensors import Network, Tensors

if TYPE_CHECKING:
    import openvino as ov

_threads = 0  # as many as each likes


def use_threads(count: int) -> None:
    """Let originals of this process run on so many threads."""
    global _threads
    _threads = count


def threads() -> int:
    """On how many threads originals run; 0 if nobody said."""
    return _threads


class Port(NamedTuple):
    """An input or output: its name, -1 where an axis is open, no shape if its rank is; its type."""

    name: str
    shape: tuple[int, ...] | None
    type: str = ""


class Interface(NamedTuple):
    """What a network takes and gives."""

    takes: tuple[Port, ...]
    gives: tuple[Port, ...]


def matched(wanted: Sequence[Port], offered: Sequence[Port], where: str) -> dict[str, int]:
    """Which of a runtime's ports is each of a network's: by its name, or else by its place.

    Raises:
        DataError: there is none, or it is of another shape.
    """
    names, theirs = [port.name for port in wanted], [port.name for port in offered]
    by_name = sorted(names) == sorted(theirs) and len({*names}) == len(names)
    places = [theirs.index(name) for name in names] if by_name else [*range(len(offered))]
    if len(places) != len(names) or not all(
        _fits(port.shape, offered[place].shape) for port, place in zip(wanted, places, strict=True)
    ):
        have, want = ([f"{p.name} {p.shape}" for p in side] for side in (offered, wanted))
        raise DataError(f"{where} has {have}: its IR has {want}")
    return dict(zip(names, places, strict=True))


class Converted:
    """A `Network` at fp32 in OpenVINO, for want of what it was made for.

    Args:
        network: as `Frontend.convert` gives it.
    """

    def __init__(self, network: "ov.Model") -> None:
        self._network = network
        self._compile()

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by name."""
        if self._on != _threads:
            self._compile()
        return self._session(inputs)

    def reset(self) -> None:
        """Forget states."""
        self._session.reset()

    def _compile(self) -> None:
        self._on = _threads
        chosen = {"INFERENCE_NUM_THREADS": _threads} if _threads else {}
        self._session: Network = Session(self._network, execution="f32", properties=chosen)


def said(error: Exception) -> str:
    """What a runtime says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _fits(one: tuple[int, ...] | None, other: tuple[int, ...] | None) -> bool:
    """Whether two shapes may be of the same array."""
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(
        a == b or -1 in (a, b) for a, b in zip(one, other, strict=True)
    )
