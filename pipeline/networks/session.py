"""A session: an IR compiled on a device; what is validated and benchmarked is what is served."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import DeviceError
from pipeline.host import reasons
from pipeline.networks import ir
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Array, Tensors

if TYPE_CHECKING:
    import openvino as ov

Hint = Literal["LATENCY", "THROUGHPUT"]


class Session:
    """An IR on a device, ready to infer: a `Network`.

    Args:
        folder: the IR folder.
        device: an OpenVINO device name, as `CPU` or `AUTO`.
        name: which of its networks.
        execution: INFERENCE_PRECISION_HINT (`f32`, `bf16` ...), or `default` for the device's own.
        hint: what the device is tuned for.

    Attributes:
        inputs: the names of what it is fed.
        remembers: whether it has states, which go on from call to call until `reset`.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
    """

    def __init__(
        self,
        folder: Path,
        device: str = "CPU",
        *,
        name: str = ir.MODEL,
        execution: str = "default",
        hint: Hint = "LATENCY",
    ) -> None:
        model = ir.read(folder, name)
        self.compiled = compile_model(model, device, execution=execution, hint=hint)
        self._request = self.compiled.create_infer_request()
        self.remembers = bool(model.get_sinks())
        self.inputs = [port.any_name for port in self.compiled.inputs]
        self._outputs = [port.any_name for port in self.compiled.outputs]

    def __call__(self, inputs: Tensors) -> dict[str, Array]:
        """The outputs by tensor name, copied out of the device's memory.

        Raises:
            DataError: an input is missing that cannot be made of the others.
        """
        # At bf16 a decoder with states goes wrong where inputs are shared (OpenVINO 2026.4).
        self._request.infer(fit(inputs, self.inputs), share_inputs=not self.remembers)
        return {name: self._request.get_tensor(name).data.copy() for name in self._outputs}

    def reset(self) -> None:
        """Forget the states that former calls left behind."""
        self._request.reset_state()

    @property
    def execution_devices(self) -> tuple[str, ...]:
        """The devices that really run it, as the runtime says."""
        return execution_devices(self.compiled)

    @property
    def execution_precision(self) -> str:
        """The floating-point precision that it really runs at, as the runtime says."""
        return execution_precision(self.compiled)


def compile_model(
    model: "ov.Model",
    device: str,
    *,
    execution: str = "default",
    hint: Hint = "LATENCY",
    properties: Mapping[str, object] | None = None,
) -> "ov.CompiledModel":
    """Compile a model for a device.

    AUTO compiles for the device that it chooses before this returns: left to itself it answers from
    the CPU meanwhile, and what is measured would be of two devices.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
    """
    import openvino as ov

    config: dict[str, object] = {"PERFORMANCE_HINT": hint}
    if execution == "f32" and device == "CPU" and model.get_sinks():
        config["KV_CACHE_PRECISION"] = execution  # its own default is u8, which loses more
    if device.partition(":")[0] == "AUTO":
        config["ENABLE_STARTUP_FALLBACK"] = False
    config |= properties or {}
    if execution != "default":
        config["INFERENCE_PRECISION_HINT"] = execution
    try:
        return ov.Core().compile_model(model, device, config)
    except RuntimeError as e:
        raise DeviceError(f"device {device!r}: {reasons.last_line(str(e))}") from e


def execution_devices(compiled: "ov.CompiledModel") -> tuple[str, ...]:
    """EXECUTION_DEVICES without the brackets that AUTO puts around its interim device."""
    return tuple(str(name).strip("()") for name in compiled.get_property("EXECUTION_DEVICES"))


def execution_precision(compiled: "ov.CompiledModel") -> str:
    """The INFERENCE_PRECISION_HINT that is in force."""
    hint = device_property(compiled, "INFERENCE_PRECISION_HINT")
    return str(hint.to_string() if hasattr(hint, "to_string") else hint)


def device_property(compiled: "ov.CompiledModel", name: str) -> Any:
    """A property of the compiled model, or of the device that AUTO chose for it."""
    try:
        return compiled.get_property(name)
    except RuntimeError:
        chosen = compiled.get_property("DEVICE_PROPERTIES")
        return chosen[execution_devices(compiled)[0]][name]


def devices() -> dict[str, str]:
    """In a child: the devices that OpenVINO offers here, with their full names."""
    import openvino as ov

    core = ov.Core()
    return {name: core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices}


def missing(device: str) -> str | None:
    """Why a device cannot be used here, or None if it can."""
    import openvino as ov

    return absence(device, ov.Core().available_devices)


def absence(device: str, have: Iterable[str]) -> str | None:
    """Why a device is none of those that OpenVINO offers, or None if it is."""
    if device == "AUTO" or any(device in (n, n.partition(".")[0], f"{n}.0") for n in have):
        return None
    return f"device {device!r} is not there: OpenVINO offers {sorted(have)}"
