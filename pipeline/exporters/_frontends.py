"""Files that OpenVINO's frontends convert as they are: TFLite, TensorFlow, Paddle.

A network gets one name for each input and output, that of the file: OpenVINO knows several of some,
and which comes first changes. What a frontend cannot convert is named whole.
"""

import functools
import re
import tempfile
import xml.etree.ElementTree as Xml
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import ExportError
from pipeline.exporters import _prepared, _runtimes, _unconverted
from pipeline.exporters._runtimes import Interface, Port
from pipeline.networks import ports
from pipeline.networks.tensors import Network, Networks
from pipeline.spec import Declared, Model

if TYPE_CHECKING:
    import openvino as ov

_UNKNOWN = re.compile(r"No (?P<what>translator|creator) found for (?P<operation>\S+)")


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
def interface(frontend: Frontend, path: Path, where: str) -> Interface:
    """The interface of the network of a file; remembered, for it takes a conversion.

    Raises:
        ExportError: it cannot be converted.
    """
    network = frontend.convert(path, where)
    return Interface(*(tuple(map(_port, side)) for side in (network.inputs, network.outputs)))


def converted(
    frontend: Frontend, found: Mapping[str, Path], source: Path, model: Model
) -> "dict[str, ov.Model]":
    """The networks of files, by the names of the IR's.

    Raises:
        ExportError: one cannot be converted.
    """
    return {name: frontend.convert(at, where(at, source, model)) for name, at in found.items()}


def originals(
    frontend: Frontend,
    found: Mapping[str, Path],
    source: Path,
    model: Model,
    runtime: "Callable[[Path, Interface], Network] | None",
) -> Networks:
    """The networks of files in the runtime that they were made for, else in OpenVINO at fp32."""
    if runtime is None:
        made = converted(frontend, found, source, model)
        networks: Networks = {name: _runtimes.Converted(network) for name, network in made.items()}
    else:
        networks = {
            name: runtime(at, interface(frontend, at, where(at, source, model)))
            for name, at in found.items()
        }
    return _prepared.fed(networks, model)


def declared(
    frontend: Frontend, found: Mapping[str, Path], source: Path, model: Model
) -> dict[str, Declared]:
    """What the network of the only file says of its inputs; of several the first.

    Raises:
        ExportError: an input is no tensor of numbers, or of any number of axes.
    """
    path = next(iter(found.values()))
    told = {}
    for port in interface(frontend, path, where(path, source, model)).takes:
        at = f"{where(path, source, model)}: input {port.name!r}"
        if port.shape is None:
            raise ExportError(f"{at}: any number of axes: want a graph that says how many")
        fields = {"shape": [*port.shape], "type": port.type}
        told[port.name] = Declared.from_dict(fields, at, ExportError)
    return told


def where(path: Path, source: Path, model: Model) -> str:
    """What the file of a network is called in a message."""
    name = path.relative_to(source).as_posix()
    if name == "." or model.source.endswith(f"/{name}"):
        return model.source
    return f"{model.source}: {name}"


def _port(port: "ov.Output") -> Port:
    sizes = None if port.partial_shape.rank.is_dynamic else ports.sizes(port)
    return Port(ports.name(port), sizes, port.element_type.to_string())


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
