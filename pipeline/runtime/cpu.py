"""CPUBackend: the same models on the CPU as they were before OpenVINO, where that can be had.

PyTorch in eager mode runs a model whose source is here (of a project, or of a Hugging Face id that
the store built), onnxruntime an ONNX file. Where neither is installed, or there is no source, the
fp32 IR runs at f32. Which of them it was, `framework` says. Texts, pictures and sounds go the same
way as with OpenVINO: only the networks are others.
"""

import importlib.util
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import kinds, spec
from pipeline.host import memory
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.networks import ports
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Array, Network, Tensors
from pipeline.runtime.answers import Answer
from pipeline.runtime.backend import Backend
from pipeline.runtime.config import Loading
from pipeline.spec import Model
from pipeline.steps import _view

if TYPE_CHECKING:
    from pipeline.runtime.held import Held
    from pipeline.runtime.loaded import Loaded
    from pipeline.runtime.names import Located, Wanted

PYTORCH, ONNXRUNTIME = "pytorch eager fp32", "onnxruntime fp32"


class CPUBackend(Backend):
    """Models on the CPU, by PyTorch or onnxruntime if they are installed."""

    def is_available(self) -> bool:
        """Always: there is a CPU, and the IR runs on it."""
        return True

    def get_device_info(self, device_name: str = "CPU") -> Answer:
        """What is known of the CPU."""
        from pipeline.runtime.hardware import HardwareDetector

        if device_name.upper() != "CPU":
            message = f"device {device_name!r}: this backend has the CPU"
            return {"device_name": device_name, "available": False, "message": message}
        details = HardwareDetector().get_hardware_details("cpu")
        return {
            "device_name": "CPU",
            "device_type": "CPU",
            "full_name": details["full_name"],
            "supports_fp32": True,
            "supports_fp16": False,
            "supports_int8": False,
            "cpu_threads": details["threads"],
            "architecture": details["architecture"],
            "available": True,
            "memory_bytes": memory.available_bytes(),
        }

    def get_all_devices(self) -> list[Answer]:
        """The CPU."""
        return [self.get_device_info()]

    def _open(self, name: str, asked: Loading) -> "Loaded":
        from pipeline.runtime import opened
        from pipeline.runtime.loaded import Loaded
        from pipeline.runtime.names import locate

        asked = asked._replace(device="CPU", precision="fp32", execution="f32")
        place = str(asked.path or name)
        wanted = opened.wanted(asked, "CPU")
        if _is_here("torch") or _is_here("onnxruntime"):
            located = locate(place, wanted)
            if originals := _originals(place, located, wanted):
                why = f"{located.why}; run by {next(iter(originals.values())).framework}"
                return Loaded(located._replace(why=why), "CPU", originals=originals)
        return opened.opened(name, asked)


class Original:
    """A network of PyTorch or onnxruntime with the face of a session.

    Args:
        network: what runs.
        held: the artifact, whose network says what it is fed.
        name: which of its networks.
        framework: what runs it.
    """

    execution_devices = ("CPU",)
    execution_precision = "f32"

    def __init__(self, network: Network, held: "Held", name: str, framework: str) -> None:
        model = held.model(name)
        self._network, self.framework = network, framework
        self._types = {port: kind.to_dtype() for port, kind in _types(model).items()}
        self.inputs = list(self._types)
        self.takes = {ports.name(port): ports.sizes(port) for port in model.inputs}
        self.remembers = bool(model.get_sinks())

    def infer(self, inputs: Tensors) -> dict[str, Array]:
        """The outputs by tensor name."""
        fed = fit(inputs, self.inputs)
        typed = {name: np.asarray(array, self._types[name]) for name, array in fed.items()}
        return dict(self._network(typed))

    __call__ = infer

    def reset(self) -> None:
        """Forget what former calls left behind."""
        self._network.reset()


class Onnx:
    """An ONNX file in onnxruntime: a `Network` that forgets."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by name."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))

    def reset(self) -> None:
        """Nothing stays between calls."""


def _originals(name: str, located: "Located", wanted: "Wanted") -> Mapping[str, Original] | None:
    """What runs in place of an artifact's networks, if anything can be had."""
    held = located.held
    if name.endswith(".onnx"):
        if not _is_here("onnxruntime"):
            return None
        return {n: Original(Onnx(Path(name)), held, n, ONNXRUNTIME) for n in held.names()}
    found = _source(name, located, wanted) if _is_here("torch") else None
    if found is None:
        return None
    model, layout = found
    if model.allow or not layout.source(model.name).is_dir():
        return None  # code that comes with a model runs in a child behind walls, or not at all
    names = [entry.path for entry in SourceLock.read(layout.source_lock(model.name)).files]
    with tempfile.TemporaryDirectory() as private:
        seen = Path(private) / "source"
        _view.make(layout.source(model.name).resolve(), names, seen, allow=())
        networks = kinds.load("format", model.format).original(seen, model)
    return {n: Original(network, held, n, PYTORCH) for n, network in networks.items()}


def _source(name: str, located: "Located", wanted: "Wanted") -> tuple[Model, Layout] | None:
    """The entry of a model, and where its source is: in the project here, or in the store."""
    from pipeline.runtime import hub
    from pipeline.runtime.store import Store

    layout = Layout()
    if located.variant is not None and layout.params.is_file():
        params = spec.read(layout.params)
        if (variant := params.variants.get(located.variant)) is not None:
            return params.model(variant.model), layout
    return hub.source(name, wanted, Store.usual())


def _types(model: Any) -> dict[str, Any]:
    return {ports.name(port): port.element_type for port in model.inputs}


def _is_here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
