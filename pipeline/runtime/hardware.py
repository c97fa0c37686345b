"""What this machine can run models on, and a profile of what its user would rather have."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import SpecError
from pipeline.host import memory

Details = dict[str, dict[str, Any]]  # by hardware

# As IPFS Accelerate's callers name hardware, and what they mean.
ALIASES = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "amd": "rocm",
    "apple": "mps",
    "intel": "openvino",
    "qnn": "qualcomm",
    "snapdragon": "qualcomm",
    "web": "webgpu",
}
RUNNABLE = ("openvino", "cpu")  # what a model can be run on here, the faster first
_BROWSERS = {
    "chrome": ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser"),
    "edge": ("microsoft-edge", "microsoft-edge-stable"),
    "firefox": ("firefox",),
    "safari": ("safari",),
}


class HardwareDetector:
    """What is there, found by looking.

    Args:
        config_instance: taken, as upstream's callers give one; nothing of it decides what is there.
    """

    def __init__(self, config_instance: Any = None) -> None:
        self._details: Details = {}

    def detect_all(self) -> Details:
        """Look again: details by hardware, of that which is there."""
        found = {"cpu": _cpu(), "openvino": _openvino(), **_torch()}
        self._details = {name: details for name, details in found.items() if details}
        return self._details

    def get_available_hardware(self) -> dict[str, bool]:
        """Whether each sort of hardware is there."""
        have = self.get_hardware_details()
        return {name: name in have for name in ("cpu", "openvino", "cuda", "rocm", "mps")}

    def get_hardware_details(self, hardware_type: str | None = None) -> dict[str, Any]:
        """What is known of one sort of hardware (nothing, if it is not there), or of each."""
        details = self._details or self.detect_all()
        return details if hardware_type is None else details.get(_named(hardware_type), {})

    def is_real_hardware(self, hardware_type: str) -> bool:
        """Whether it is there: nothing here is simulated."""
        return bool(self.get_hardware_details(hardware_type))

    def get_optimal_hardware(
        self, model_name: str, model_type: str | None = None, batch_size: int = 1
    ) -> str:
        """The first of `RUNNABLE` that is there; which artifact is best on it, `load` decides."""
        return next(name for name in RUNNABLE if self.is_real_hardware(name))

    def get_browser_details(self, update: bool = False) -> dict[str, Any]:
        """The browsers of this machine and where they lie."""
        found = {
            name: next(filter(None, map(shutil.which, programs)), None)
            for name, programs in _BROWSERS.items()
        }
        return {name: {"available": True, "path": path} for name, path in found.items() if path}


class HardwareProfile:
    """What hardware a model is wanted on.

    Args:
        backend: a sort of hardware, or `auto` for the best that is there.
        device_id: a device by name (`GPU.1`, `AUTO`), or by its place in the list of them.
        memory_limit: kept for callers; OpenVINO has no such limit.
        precision: as a load has it.
        optimization_level: kept for callers.
        quantization: kept for callers; an artifact is quantized already.
        feature_flags: further keys of `get_worker_compatible_config`.
        compiler_options: kept for callers.
        browser: kept for callers.
        browser_options: kept for callers.
        preferred_hardware: sorts of hardware, the best first; in place of `backend`.
        device_map: the device on each.
        others: whatever else callers keep in a profile.
    """

    def __init__(
        self,
        backend: str = "auto",
        device_id: int | str = 0,
        memory_limit: int | str | None = None,
        precision: str = "auto",
        optimization_level: str = "default",
        quantization: Mapping[str, Any] | None = None,
        feature_flags: Mapping[str, bool] | None = None,
        compiler_options: Mapping[str, Any] | None = None,
        browser: str | None = None,
        browser_options: Mapping[str, Any] | None = None,
        preferred_hardware: list[str] | None = None,
        device_map: Mapping[str, str] | None = None,
        **others: Any,
    ) -> None:
        self.backend = _named(backend)
        self.device_id = device_id
        self.memory_limit = memory_limit
        self.precision = precision
        self.optimization_level = optimization_level
        self.quantization = dict(quantization or {})
        self.feature_flags = dict(feature_flags or {})
        self.compiler_options = dict(compiler_options or {})
        self.browser = browser
        self.browser_options = dict(browser_options or {})
        self.preferred_hardware = [_named(name) for name in preferred_hardware or ()]
        self.device_map = {_named(name): device for name, device in (device_map or {}).items()}
        self.extra_options = others

    @property
    def hardware(self) -> list[str]:
        """Sorts of hardware in the order in which they are tried."""
        if self.preferred_hardware:
            return self.preferred_hardware
        return list(RUNNABLE) if self.backend == "auto" else [self.backend]

    def device(self, hardware: str) -> str | None:
        """The device on a sort of hardware, as a load names it; None for the load's own default.

        Raises:
            SpecError: there are not as many devices.
        """
        if hardware in self.device_map:
            return self.device_map[hardware]
        if hardware != "openvino" or self.device_id in (0, "0", ""):
            return None
        if isinstance(self.device_id, str):
            return self.device_id
        have = [device["name"] for device in _openvino().get("devices", [])]
        if not 0 <= self.device_id < len(have):
            raise SpecError(f"device_id {self.device_id}: OpenVINO's devices are {have}")
        return str(have[self.device_id])

    def to_dict(self) -> dict[str, Any]:
        """The profile as JSON types: `from_dict(p.to_dict()) == p`."""
        known = {name: value for name, value in vars(self).items() if name != "extra_options"}
        return known | self.extra_options

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> "HardwareProfile":
        """The profile that a dict describes."""
        return cls(**config_dict)

    def get_worker_compatible_config(self) -> dict[str, Any]:
        """What upstream's worker takes: the hardware, and what differs from the defaults."""
        config: dict[str, Any] = {
            "hardware_type": self.hardware[0],
            "device_id": self.device_id,
        }
        if self.precision != "auto":
            config["precision"] = self.precision
        if self.memory_limit:
            config["memory_limit"] = self.memory_limit
        if self.browser:
            config |= {"browser": self.browser, "browser_options": self.browser_options}
        if self.optimization_level != "default":
            config["optimization_level"] = self.optimization_level
        return config | self.feature_flags

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HardwareProfile) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.backend, str(self.device_id), self.precision))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items() if value)
        return f"HardwareProfile({given})"


def _named(hardware: str) -> str:
    """A sort of hardware by its own name."""
    return ALIASES.get(hardware.lower(), hardware.lower())


def _cpu() -> dict[str, Any]:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "available": True,
        "full_name": _processor(),
        "architecture": platform.machine(),
        "threads": threads,
        "memory_mb": memory.available_bytes() / 1e6,
    }


def _processor() -> str:
    """The CPU as Linux calls it."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _openvino() -> dict[str, Any]:
    """OpenVINO and its devices; nothing where it does not import or has none."""
    if importlib.util.find_spec("openvino") is None:
        return {}
    import openvino as ov

    from pipeline.runtime import devices

    found = [device.to_dict() for device in devices.detect()]
    return {"available": True, "version": ov.__version__, "devices": found} if found else {}


def _torch() -> Details:
    """What PyTorch finds, where it is installed."""
    if importlib.util.find_spec("torch") is None:
        return {}
    import torch

    found: Details = {}
    if torch.cuda.is_available():
        name = "rocm" if torch.version.hip else "cuda"
        each = range(torch.cuda.device_count())
        found[name] = {
            "available": True,
            "version": torch.version.hip or torch.version.cuda,
            "devices": [{"full_name": torch.cuda.get_device_name(place)} for place in each],
        }
    if torch.backends.mps.is_available():
        found["mps"] = {"available": True, "version": torch.__version__}
    return found
