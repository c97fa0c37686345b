"""The devices of this machine, each with what OpenVINO and its driver tell of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import devices
from pipeline.devices import Requested
from pipeline.errors import DeviceError
from pipeline.host import memory, reasons
from pipeline.record import Line, Record

if TYPE_CHECKING:
    import openvino as ov

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "int4")
_MEMORY = ("GPU_DEVICE_TOTAL_MEM_SIZE", "NPU_DEVICE_TOTAL_MEM_SIZE")
_DRIVER = ("GPU_DRIVER_VERSION", "NPU_DRIVER_VERSION")
_REQUESTS = "OPTIMAL_NUMBER_OF_INFER_REQUESTS"
_THREADS = "INFERENCE_NUM_THREADS"


class Device(Record):
    """A device; None is what nobody tells.

    Args:
        name: OpenVINO's, as `GPU.1`.
        full_name: the maker's.
        type: `integrated` or `discrete`.
        architecture: as the device names it.
        capabilities: OPTIMIZATION_CAPABILITIES as they are.
        precisions: those of `PRECISIONS` that it computes in.
        execution: what it runs floating point at unless told otherwise (`bf16`).
        memory_bytes: its own; of the CPU what this process may use.
        driver: version of its driver; the CPU needs none.
        plugin: version of OpenVINO's part for it.
        threads: that it runs on, if it is a CPU.
        streams: fewest and most requests that it runs at a time.
        optimal_requests: to keep it busy, tuned for throughput; where the device does not tell,
            those of a small model.
    """

    name: Line
    full_name: Line
    type: Line | None
    architecture: Line | None
    capabilities: tuple[Line, ...]
    precisions: tuple[Line, ...]
    execution: Line | None
    memory_bytes: int | None
    driver: Line | None
    plugin: Line
    threads: int | None
    streams: tuple[int, int] | None
    optimal_requests: int | None


class Found(Record):
    """The devices that are here, and why others are not."""

    devices: tuple[Device, ...]
    lacking: dict[str, Line]


def look() -> dict[str, Any]:
    """In a child, for a driver may take its process with it: as of `Found`."""
    return Found(devices=detect(), lacking=lacking()).to_dict()


def detect() -> tuple[Device, ...]:
    """The devices that OpenVINO offers here."""
    import openvino as ov

    core = ov.Core()
    return tuple(_asked(core, name) for name in core.available_devices)


def find(name: str) -> Device:
    """One device by its name; `GPU` is the first of several.

    Raises:
        DeviceError: it is not there, with the reason as far as OpenVINO tells.
    """
    import openvino as ov

    core = ov.Core()
    requested = Requested.parse(name)
    if requested.over:
        raise DeviceError(f"device {name!r}: want one device, as {core.available_devices}")
    return _asked(core, str(_here(core, requested)))


def parse(text: str) -> Requested:
    """What a text asks for, of the devices that are here: `AUTO:GPU,CPU` without a GPU is AUTO:CPU.

    Raises:
        DeviceError: it is no device, or nothing of it is here.
    """
    import openvino as ov

    return _here(ov.Core(), Requested.parse(text))


def lacking(names: Iterable[str] = devices.PLAIN) -> dict[str, str]:
    """The devices that are not here, each with the reason as far as OpenVINO tells."""
    import openvino as ov

    core = ov.Core()
    have = core.available_devices
    return {name: _why(core, name) for name in names if devices.absence(name, have)}


def _here(core: "ov.Core", requested: Requested) -> Requested:
    try:
        return requested.here(core.available_devices)
    except DeviceError as e:
        plugins = dict.fromkeys(part.name.partition(".")[0] for part in requested.parts)
        whys = [_why(core, name) for name in plugins if name in devices.PLAIN]
        raise DeviceError("; ".join([str(e), *whys])) from e


def _why(core: "ov.Core", name: str) -> str:
    """Why OpenVINO has no such device: its plugin does not load, or finds none."""
    plain = name.partition(".")[0]
    try:
        core.get_property(plain, "AVAILABLE_DEVICES")
    except RuntimeError as e:
        _, _, why = reasons.last_line(str(e)).rpartition('": ')  # the plugin's own path
        return f"the {plain} plugin does not load: {why}"
    return f"the {plain} plugin loads and finds no device or no driver"


def _asked(core: "ov.Core", name: str) -> Device:
    properties = core.get_property(name, "SUPPORTED_PROPERTIES")

    def told(*of: str) -> Any:
        return next((core.get_property(name, key) for key in of if key in properties), None)

    capabilities = tuple(map(str, told("OPTIMIZATION_CAPABILITIES") or ()))
    kind, execution, driver = told("DEVICE_TYPE"), told("INFERENCE_PRECISION_HINT"), told(*_DRIVER)
    streams = told("RANGE_FOR_STREAMS")
    requests, threads = told(_REQUESTS), None
    if requests is None:  # the CPU, GPUs: it depends on the model
        requests, threads = _tuned(core, name)
    return Device(
        name=name,
        full_name=str(told("FULL_DEVICE_NAME")),
        type=kind.name.lower() if kind is not None else None,
        architecture=told("DEVICE_ARCHITECTURE"),
        capabilities=capabilities,
        precisions=tuple(p for p in PRECISIONS if p.upper() in capabilities),
        execution=execution.to_string() if execution is not None else None,
        memory_bytes=memory.available_bytes() if name == "CPU" else told(*_MEMORY),
        driver=str(driver) if driver is not None else None,
        plugin=str(next(iter(core.get_versions(name).values())).build_number),
        threads=threads,
        streams=tuple(streams) if streams else None,
        optimal_requests=requests,
    )


def _tuned(core: "ov.Core", name: str) -> tuple[int | None, int | None]:
    """The requests and the threads that a small model gets for throughput, as far as told."""
    import openvino as ov
    from openvino import opset13 as op

    fed = op.parameter([1, 64], np.float32)
    weights = op.constant(np.ones((64, 64), np.float32))
    model = ov.Model([op.matmul(fed, weights, False, False)], [fed])
    try:
        compiled = core.compile_model(model, name, {"PERFORMANCE_HINT": "THROUGHPUT"})
    except RuntimeError:  # it is listed and does not run: whoever loads a model there is told
        return None, None
    properties = compiled.get_property("SUPPORTED_PROPERTIES")
    told = (compiled.get_property(k) if k in properties else None for k in (_REQUESTS, _THREADS))
    requests, threads = told
    return requests, threads
