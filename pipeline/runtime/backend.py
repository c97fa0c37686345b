"""OpenVINOBackend: the runtime for callers of IPFS Accelerate, dictionaries in and out.

Everything is done by the typed API (`pipeline.runtime.load`), which is the one to use. What is here
takes configs apart, gives lists the shapes of tensors, and puts answers into the words that callers
read. Nothing raises out of it: an error is an answer whose `message` has the reason.
"""

import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import DeviceError
from pipeline.networks import ports
from pipeline.runtime import config as configs
from pipeline.runtime import contents, shapes
from pipeline.runtime.answers import Answer, answered, resident_mb
from pipeline.runtime.config import Config, Loading

if TYPE_CHECKING:
    import openvino as ov

    from pipeline.runtime.devices import Device
    from pipeline.runtime.loaded import Loaded


class Backend(ABC):
    """What the backends share: models by name and device, loaded, run and unloaded.

    Args:
        config: keys of the constructor (config.KEYS).

    Attributes:
        models: what is loaded, by `<name>_<device>` as callers name the device.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or {}
        self.models: dict[str, dict[str, Any]] = {}

    @abstractmethod
    def is_available(self) -> bool:
        """Whether it can run models here."""

    @abstractmethod
    def _open(self, name: str, asked: Loading) -> "Loaded":
        """A model on a device."""

    @answered
    def load_model(self, model_name: str, config: Config | None = None) -> Answer:
        """Load a model: a name, a path, a CID or a Hugging Face id, on a device."""
        asked = configs.loading(config, self.config)
        key = self._key(model_name, config)
        told = {"status": "success", "model_name": model_name, "device": self._device(config)}
        before = self.models.get(key)
        if before is not None and asked.is_like(before["asked"]):
            return {**told, "already_loaded": True, "message": f"{model_name} is loaded already"}
        began = time.perf_counter()
        loaded = self._open(model_name, asked)
        entry = _entry(model_name, told["device"], loaded, asked)
        self.models[key] = entry
        if before is not None:
            before["loaded_model"].close()
        shown = (
            "model_format", "precision", "inputs_info", "outputs_info", "task", "framework",
            "execution_devices", "execution_precision",
        )  # fmt: skip
        return {
            **told,
            **{name: entry[name] for name in shown},
            "cid": loaded.located.held.cid,
            "variant": loaded.located.variant,
            "validated": loaded.located.validated,
            "load_time_sec": time.perf_counter() - began,
            "notes": list(asked.notes),
            "message": loaded.located.why,
        }

    @answered
    def unload_model(self, model_name: str, device: str = "CPU") -> Answer:
        """Forget a model."""
        told = {"model_name": model_name, "device": device}
        entry = self.models.pop(f"{model_name}_{device}", None)
        if entry is None:
            message = f"{model_name} is not loaded on {device}: loaded are {sorted(self.models)}"
            return {"status": "error", **told, "message": message}
        entry["loaded_model"].close()
        message = f"{model_name} is unloaded from {device}"
        return {"status": "success", **told, "message": message}

    @answered
    def run_inference(
        self,
        model_name: str,
        content: Any = None,
        config: Config | None = None,
        *,
        inputs: Any = None,
    ) -> Answer:
        """Run a model on tensors, or on what people have: text, pictures, sound, batches of them.

        A model that is not loaded is loaded first, as `config` says.
        """
        given = configs.checked(config)
        content = inputs if content is None else content
        entry = self.models.get(self._key(model_name, given))
        if entry is None:
            if (done := self.load_model(model_name, config))["status"] != "success":
                return done
            entry = self.models[self._key(model_name, given)]
        loaded, ranks = entry["loaded_model"], entry["ranks"]
        said = entry["message"]
        if isinstance(content, Mapping) and not ranks.keys().isdisjoint(content):
            ready, items = contents.tensors(content, ranks)
            began = time.perf_counter()
            results: Any = loaded.infer(ready)
        else:
            raw = contents.raw(content, given, ranks, loaded)
            items, began = raw.items, time.perf_counter()
            results, told = contents.answers(loaded, raw)
            said = told or said
        seconds = time.perf_counter() - began
        return {
            "status": "success",
            "model_name": model_name,
            "device": entry["device"],
            "latency_ms": seconds * 1e3,
            "throughput_items_per_sec": items / seconds,
            "memory_usage_mb": resident_mb(),
            "results": results,
            "outputs": results,
            "execution_order": given.get("execution_order"),
            "batch_size": items,
            "model_type": entry["model_type"],
            "optimum_integration": False,
            "framework": entry["framework"],
            "notes": list(configs.notes(given, "run")),
            "message": said,
        }

    def _device(self, config: Config | None) -> str:
        """The device as callers name it."""
        default = self.config.get("openvino_device", "CPU")
        return str((config or {}).get("device") or default)

    def _key(self, name: str, config: Config | None) -> str:
        return f"{name}_{self._device(config)}"


class OpenVINOBackend(Backend):
    """The runtime, on OpenVINO's devices.

    Args:
        config: keys of the constructor (config.KEYS).
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._core: Any = None
        self._version = ""
        self._available_devices: list[str] = []
        if importlib.util.find_spec("openvino") is not None:
            import openvino as ov

            self._core, self._version = ov.Core(), ov.__version__
            self._available_devices = self._core.available_devices

    def is_available(self) -> bool:
        """Whether OpenVINO imports here and has a device."""
        return bool(self._available_devices)

    @answered
    def get_device_info(self, device_name: str = "CPU") -> Answer:
        """What is known of a device; of one that is not there, why."""
        from pipeline.runtime import devices

        try:
            found = devices.find(device_name)
        except DeviceError as e:
            return {"device_name": device_name, "available": False, "message": str(e)}
        return described(found)

    def get_all_devices(self) -> list[Answer]:
        """What is known of every device."""
        return [self.get_device_info(name) for name in self._available_devices]

    def load_huggingface_model(
        self,
        model_name_or_path: str,
        model_type: str,
        device: str = "CPU",
        config: Config | None = None,
    ) -> Answer:
        """Load a model of Hugging Face through this project's own pipeline."""
        given = {**(config or {}), "model_type": model_type, "device": device}
        return self.load_model_with_optimum(model_name_or_path, given)

    def load_model_with_optimum(self, model_name: str, config: Config | None = None) -> Answer:
        """The same as `load_model`, which needs no optimum-intel to run, and the task's name."""
        answer = self.load_model(model_name, config)
        if answer["status"] == "success":
            answer["ov_model_type"] = self.models[self._key(model_name, config)]["task"]
        return answer

    def run_huggingface_inference(
        self, model_name_or_path: str, inputs: Any, config: Config | None = None
    ) -> Answer:
        """The same as `run_inference`."""
        return self.run_inference(model_name_or_path, inputs, config)

    @answered
    def get_optimum_integration(self) -> Answer:
        """What optimum-intel, with which models are exported, offers here."""
        from pipeline.runtime import optimum

        return optimum.integration()

    @answered
    def convert_from_pytorch(
        self, model: Any, example_inputs: Any, output_path: str, config: Config | None = None
    ) -> Answer:
        """Convert a PyTorch model to IR."""
        from pipeline.runtime import convert

        made = convert.from_pytorch(model, example_inputs, output_path, config)
        told = {
            "pytorch_to_onnx_time_sec": made.onnx_seconds,
            "total_conversion_time_sec": made.seconds,
            "onnx_path": made.onnx and str(made.onnx),
        }
        return _converted(made, "PyTorch") | told

    @answered
    def convert_from_onnx(
        self, onnx_path: str, output_path: str, config: Config | None = None
    ) -> Answer:
        """Convert an ONNX file to IR."""
        from pipeline.runtime import convert

        return _converted(convert.from_onnx(onnx_path, output_path, config), "ONNX")

    def _open(self, name: str, asked: Loading) -> "Loaded":
        from pipeline.runtime import opened

        return opened.opened(name, asked)


def described(device: "Device") -> Answer:
    """A device in the words of IPFS Accelerate, and all else that is known of it."""
    return {
        **device.to_dict(),
        "available": True,
        "device_name": device.name,
        "device_type": device.name.partition(".")[0],
        "supports_fp32": "fp32" in device.precisions,
        "supports_fp16": "fp16" in device.precisions,
        "supports_int8": "int8" in device.precisions,
        "cpu_threads": device.threads,
    }


def _entry(name: str, device: str, loaded: "Loaded", asked: Loading) -> dict[str, Any]:
    """What `models` keeps of a loaded model."""
    located = loaded.located
    inputs, outputs = _ports(loaded)
    return {
        "name": name,
        "device": device,
        "model_path": located.held.where,
        "model_format": located.held.format,
        "precision": str(located.precision or "unknown").upper(),
        "loaded": True,
        "asked": asked,
        "loaded_model": loaded,
        "task": loaded.task,
        "model_type": asked.kind,
        "ranks": {ports.name(port): _rank(port) for port in inputs},
        "inputs_info": shapes.of(inputs),
        "outputs_info": shapes.of(outputs),
        "message": located.why,
        "load_time": time.time(),
        **_running(loaded),
    }


def _ports(loaded: "Loaded") -> "tuple[list[ov.Output], list[ov.Output]]":
    """The inputs and outputs of its networks."""
    held = loaded.located.held
    if loaded.is_served or loaded.is_original:
        networks = [held.model(name) for name in held.names()]
    else:
        networks = [session.compiled for session in loaded.sessions.values()]
    return (
        [port for network in networks for port in network.inputs],
        [port for network in networks for port in network.outputs],
    )


def _running(loaded: "Loaded") -> dict[str, Any]:
    """Who runs it, where, and at which precision."""
    if loaded.is_served:
        return {
            "framework": "openvino.genai",
            "execution_devices": [loaded.device],
            "execution_precision": None,
        }
    first = next(iter(loaded.sessions.values()))
    return {
        "framework": getattr(first, "framework", "openvino"),
        "execution_devices": list(first.execution_devices),
        "execution_precision": first.execution_precision,
    }


def _rank(port: "ov.ConstOutput") -> int | None:
    rank = port.partial_shape.rank
    return rank.get_length() if rank.is_static else None


def _converted(made: Any, source: str) -> Answer:
    return {
        "status": "success",
        "output_path": str(made.path),
        "precision": made.precision,
        "message": f"{source} model converted to {made.path} at {made.precision}",
        "model_size_mb": made.size_bytes / 1e6,
        "conversion_time_sec": made.seconds,
        "inputs": made.inputs,
        "outputs": made.outputs,
    }
