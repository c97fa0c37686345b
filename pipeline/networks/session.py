"""A session: an IR compiled on a device; what is validated and benchmarked is what is served."""

from collections.abc import Iterable, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.devices import absence
from pipeline.errors import DeviceError
from pipeline.host import reasons
from pipeline.networks import ports
from pipeline.networks.inputs import made
from pipeline.networks.tensors import Array

if TYPE_CHECKING:
    import openvino as ov

Hint = Literal["LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT"]


class Session:
    """A model on a device, ready to infer: a `Network`.

    Threads may share one: as many of their calls run at a time as the device is tuned for, others
    wait. A network with states runs one, and goes on from call to call, whoever calls.

    Args:
        model: as `ir.read` gives it.
        device: an OpenVINO device name, as `CPU` or `AUTO`.
        execution: INFERENCE_PRECISION_HINT (`f32`, `bf16` ...), or `default` for the device's own.
        hint: what the device is tuned for; None leaves that to the properties.
        properties: more of OpenVINO's own, as INFERENCE_NUM_THREADS or CACHE_DIR.

    Attributes:
        inputs: the names of what it is fed.
        takes: how many elements along each axis of that, -1 where any number will do.
        outputs: the names of what it answers.
        remembers: whether it has states, which go on from call to call until `reset`.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
    """

    def __init__(
        self,
        model: "ov.Model",
        device: str = "CPU",
        *,
        execution: str = "default",
        hint: Hint | None = "LATENCY",
        properties: Mapping[str, object] | None = None,
    ) -> None:
        self.compiled = compile_model(
            model, device, execution=execution, hint=hint, properties=properties
        )
        self.remembers = bool(model.get_sinks())
        # Compiling joins tensors that are the same, and their names: the model's own are right.
        self.outputs = [ports.name(port) for port in model.outputs]
        self.inputs = [ports.name(port) for port in self.compiled.inputs]
        self.takes = {ports.name(port): ports.sizes(port) for port in self.compiled.inputs}
        self._idle: SimpleQueue[_Request] = SimpleQueue()
        for _ in range(1 if self.remembers else self.requests):
            # At bf16 a decoder with states goes wrong where inputs are shared (OpenVINO 2026.4).
            self._idle.put(_Request(self.compiled, may_share=not self.remembers))

    def infer(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """The outputs by tensor name: copies, which later calls leave alone.

        Args:
            inputs: arrays by tensor name, or what numpy makes arrays of. What the network does not
                want is left out, and what it wants beside them is made as `inputs.fit` does.

        Raises:
            DataError: an input is missing that cannot be made of the others, or does not fit.
        """
        request = self._idle.get()
        try:
            return dict(zip(self.outputs, request.run(inputs), strict=True))
        finally:
            self._idle.put(request)

    __call__ = infer

    def reset(self) -> None:
        """Forget the states that former calls left behind."""
        request = self._idle.get()
        request.forget()
        self._idle.put(request)

    @property
    def requests(self) -> int:
        """How many requests at a time keep the device busy, as the runtime says."""
        return int(device_property(self.compiled, "OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    @property
    def execution_devices(self) -> tuple[str, ...]:
        """The devices that really run it, as the runtime says."""
        return execution_devices(self.compiled)

    @property
    def execution_precision(self) -> str:
        """The floating-point precision that it really runs at, as the runtime says."""
        return execution_precision(self.compiled)


class _Request:
    """One of the requests of a session, with its inputs."""

    def __init__(self, compiled: "ov.CompiledModel", *, may_share: bool) -> None:
        self._request = compiled.create_infer_request()
        self._feeds = [
            ports.Feed(self._request, index, port, may_share=may_share)
            for index, port in enumerate(compiled.inputs)
        ]

    def run(self, inputs: Mapping[str, npt.ArrayLike]) -> Iterable[Array]:
        """Copies of the outputs, in their order."""
        for feed in self._feeds:
            given = inputs[feed.name] if feed.name in inputs else self._made(feed.name, inputs)
            # Before anything else, the case of microseconds: as the last call's.
            if (
                type(given) is np.ndarray
                and given.shape == feed.shape
                and given.dtype == feed.dtype
            ):
                feed.view[...] = given
            else:
                feed.put(given)
        outputs: Iterable[Array] = self._request.infer().values()
        return outputs

    def forget(self) -> None:
        """Forget states."""
        self._request.reset_state()

    def _made(self, name: str, inputs: Mapping[str, npt.ArrayLike]) -> Array:
        arrays = {other: np.asarray(given) for other, given in inputs.items()}
        return made(name, arrays, alone=len(self._feeds) == 1)


def compile_model(
    model: "ov.Model",
    device: str,
    *,
    execution: str = "default",
    hint: Hint | None = "LATENCY",
    properties: Mapping[str, object] | None = None,
) -> "ov.CompiledModel":
    """Compile a model for a device.

    AUTO compiles for the device that it chooses before this returns: left to itself it answers from
    the CPU meanwhile, and what is measured would be of two devices.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
    """
    import openvino as ov

    remembers = bool(model.get_sinks())
    config = configuration(device, execution, hint, properties, remembers=remembers)
    try:
        return ov.Core().compile_model(model, device, config)
    except RuntimeError as e:
        raise DeviceError(f"device {device!r}: {reasons.last_line(str(e))}") from e


def configuration(
    device: str,
    execution: str,
    hint: Hint | None,
    properties: Mapping[str, object] | None = None,
    *,
    remembers: bool,
) -> dict[str, object]:
    """OpenVINO's properties for a device; those that are given go before what is usual here."""
    config: dict[str, object] = {"PERFORMANCE_HINT": hint} if hint else {}
    if execution == "f32" and device == "CPU" and remembers:
        config["KV_CACHE_PRECISION"] = execution  # its own default is u8, which loses more
    if device.partition(":")[0] == "AUTO":
        config["ENABLE_STARTUP_FALLBACK"] = False
    config |= properties or {}
    if execution != "default":
        config["INFERENCE_PRECISION_HINT"] = execution
    return config


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
