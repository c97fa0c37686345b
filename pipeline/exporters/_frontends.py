"""Files that OpenVINO's frontends convert as they are: TFLite, TensorFlow, Paddle.

A network gets one name for each input and output, that of the file: OpenVINO knows several of some,
and which comes first changes. What a frontend cannot convert is named whole.
"""

import functools
import re
import tempfile
import xml.etree.ElementTree as Xml
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import DataError, ExportError
from pipeline.exporters import _unconverted
from pipeline.networks import ports
from pipeline.networks.session import Session
from pipeline.networks.tensors import Network, Tensors
from pipeline.spec import Declared, Model

if TYPE_CHECKING:
    import openvino as ov

_UNKNOWN = re.compile(r"No (?P<what>translator|creator) found for (?P<operation>\S+)")
_threads = 0  # as many as each likes


def use_threads(count: int) -> None:
    """Let originals of this process run on so many threads."""
    global _threads
    _threads = count


def threads() -> int:
    """On how many threads originals run; 0 if nobody said."""
    return _threads


class Frontend(NamedTuple):
    """One of OpenVINO's frontends.

    Args:
        name: as OpenVINO calls it.
        reads: what it reads, in messages.
        lists: whether the operations that it does not know can be had of it.
    """

    name: str
    reads: str
    lists: bool = False

    def convert(self, path: Path, where: str) -> "ov.Model":
        """A file, or a folder of files, as a network whose ports have one name each.

        Args:
            path: the file or folder.
            where: what it is called in a message.

        Raises:
            ExportError: it is none of the frontend's, or it cannot be converted.
        """
        import openvino as ov
        from openvino.frontend import FrontEndManager

        own = FrontEndManager().load_by_framework(self.name)
        try:
            if not own.supported(str(path)):
                raise ExportError(f"{where}: no {self.reads}, or one that is damaged")
            network = ov.convert_model(path)
        except _failures() as e:
            message = str(e).replace(str(path), path.name).replace(str(path.absolute()), path.name)
            said = self._unknown(own, path, message) or _unconverted.reason(message)
            raise ExportError(f"{where}: OpenVINO: {said}") from e
        if not network.outputs:
            raise ExportError(f"{where}: no {self.reads}: it holds no network")
        _name_ports(network)
        return network

    def _unknown(self, own: Any, path: Path, message: str) -> str:
        """All operations without a translator, of which OpenVINO names the first."""
        found = _UNKNOWN.search(message)
        if not found:
            return ""
        operations = [found["operation"]]
        if self.lists:
            operations = _not_converted(own, path) or operations
        return f"No {found['what']} found for {', '.join(operations)}"


@functools.lru_cache(maxsize=8)
def declared(frontend: Frontend, path: Path, where: str) -> dict[str, Declared]:
    """What the network of a file says of its inputs, with -1 for axes that are open.

    Raises:
        ExportError: an input is no tensor of numbers, or of any number of axes.
    """
    found = {}
    for port in frontend.convert(path, where).inputs:
        name, shape = ports.name(port), port.partial_shape
        if shape.rank.is_dynamic:
            raise ExportError(
                f"{where}: input {name!r}: any number of axes: want a graph that says how many"
            )
        sizes = [axis.get_length() if axis.is_static else -1 for axis in shape]
        told = {"shape": sizes, "type": port.element_type.to_string()}
        found[name] = Declared.from_dict(told, f"{where}: input {name!r}", ExportError)
    return found


def where(path: Path, source: Path, model: Model) -> str:
    """What the file of a network is called in a message."""
    name = path.relative_to(source).as_posix()
    return (
        model.source
        if model.source.endswith(f"/{name}") or name == "."
        else f"{model.source}: {name}"
    )


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


def in_openvino(path: Path, network: "ov.Model") -> Converted:
    """What stands in for an original, whose file it would be."""
    return Converted(network)


class Port(NamedTuple):
    """What a runtime says of an input or output: -1 where an axis is open, None if all is."""

    name: str
    shape: tuple[int, ...] | None


def matched(wanted: "Sequence[ov.Output]", offered: Sequence[Port], where: str) -> dict[str, int]:
    """Which of a runtime's ports is each of a network's: by its name, or else by its place.

    Raises:
        DataError: there is none, or it is of another shape.
    """
    import openvino as ov

    names, theirs = [ports.name(port) for port in wanted], [port.name for port in offered]
    by_name = sorted(names) == sorted(theirs) and len({*names}) == len(names)
    places = [theirs.index(name) for name in names] if by_name else [*range(len(offered))]
    fits = len(places) == len(names) and all(
        (shape := offered[place].shape) is None
        or port.partial_shape.compatible(ov.PartialShape([*shape]))
        for port, place in zip(wanted, places, strict=True)
    )
    if not fits:
        have = [f"{port.name} {port.shape}" for port in offered]
        want = [f"{ports.name(port)} {port.partial_shape.to_string()}" for port in wanted]
        raise DataError(f"{where} has {have}: its IR has {want}")
    return dict(zip(names, places, strict=True))


def said(error: Exception) -> str:
    """What a runtime says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _failures() -> tuple[type[Exception], ...]:
    """What OpenVINO raises over a file: classes of its own without a common one."""
    from openvino import frontend

    own = [getattr(frontend, name) for name in dir(frontend) if name.endswith("Failure")]
    return (*own, RuntimeError, TypeError, ValueError)


def _name_ports(network: "ov.Model") -> None:
    """Leave each port that has several names one: its node's, else the first in the alphabet."""
    for port in (*network.inputs, *network.outputs):
        names, own = port.get_names(), port.node.get_friendly_name()
        if len(names) > 1:
            port.get_tensor().set_names({own if own in names else min(names)})


def _not_converted(own: Any, path: Path) -> list[str]:
    """The kinds of operations that a frontend passes on as they are: no opset has them."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / "partial.xml"
        try:
            ov.serialize(own.convert_partially(own.load(str(path))), partial)
        except _failures():
            return []
        layers = Xml.parse(partial).getroot().iter("layer")  # noqa: S314 - OpenVINO wrote it
        return sorted({layer.attrib["type"] for layer in layers if "version" not in layer.attrib})
