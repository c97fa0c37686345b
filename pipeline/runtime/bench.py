"""How fast an artifact's network is here, measured as OpenVINO's benchmark_app does.

What is asked for has the meaning that it has there: one request after another for latency, a queue
of as many requests as the device wants for throughput, inputs set once, shapes static.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.devices import Requested
from pipeline.errors import SpecError
from pipeline.host import progress, reasons
from pipeline.networks import ports
from pipeline.networks.inputs import MADE, TOKENS, fit
from pipeline.networks.session import Hint, Session, device_property
from pipeline.networks.tensors import Array, Tensors

if TYPE_CHECKING:
    import openvino as ov

    from pipeline.runtime.held import Held

HINTS: dict[str, Hint | None] = {
    "latency": "LATENCY",
    "throughput": "THROUGHPUT",
    "tput": "THROUGHPUT",
    "cumulative_throughput": "CUMULATIVE_THROUGHPUT",
    "ctput": "CUMULATIVE_THROUGHPUT",
    "none": None,
}
SECONDS = 60.0  # benchmark_app's own
_SHAPE = re.compile(r"(?P<name>[^\[\],]*)\[(?P<dimensions>[^\[\]]*)\],?")
_PER_DEVICE = re.compile(r"(?P<device>[A-Z]\w*(\.\d+)?):(?P<value>\w+)")
_TOKENS = 100  # numbers below this are in every vocabulary


class Asked(NamedTuple):
    """How to measure.

    Args:
        device: what `devices.parse` found.
        hint: a name of `HINTS`.
        streams: a number, or one for each device as `CPU:2,GPU:1`; None leaves it to the hint.
        threads: of the CPU; None leaves it to OpenVINO.
        batch: what becomes of the first dimension of every input; None leaves it.
        shape: `input_ids[1,16],attention_mask[1,16]`, or `[1,3,224,224]` of a network with one
            input; None leaves them.
        precision: INFERENCE_PRECISION_HINT, or one for each device as `CPU:bf16,GPU:f16`.
        seconds: how long.
    """

    device: Requested
    hint: str = "throughput"
    streams: str | None = None
    threads: int | None = None
    batch: int | None = None
    shape: str | None = None
    precision: str | None = None
    seconds: float = SECONDS


class Measured(NamedTuple):
    """What was measured; times in milliseconds."""

    shapes: Mapping[str, Sequence[int]]
    batch: int
    read_ms: float
    compile_ms: float
    first_ms: float
    total_ms: float
    latencies_ms: Sequence[float]
    requests: int
    streams: int | None
    threads: int | None
    execution_devices: tuple[str, ...]
    execution_precision: str

    @property
    def median_ms(self) -> float:
        """Of a request."""
        return float(np.median(self.latencies_ms))

    @property
    def per_s(self) -> float:
        """Items in a second: requests times the batch."""
        return self.batch * len(self.latencies_ms) / self.total_ms * 1e3


def measure(held: "Held", asked: Asked) -> Measured:
    """Measure an artifact of one network that forgets.

    Raises:
        SpecError: it has several networks or states, or a shape does not fit or is not static.
        DeviceError: OpenVINO cannot compile it for the device.
    """
    if len(names := held.names()) != 1:
        raise SpecError(f"{held.where}: its networks are {names}: want one by itself")
    started = time.perf_counter()
    model = held.model(names[0])
    if model.get_sinks():
        raise SpecError(f"{held.where}: it remembers from call to call: each would be another")
    _reshape(model, asked)
    read = time.perf_counter()
    session = Session(
        model,
        str(asked.device),
        hint=HINTS[asked.hint],
        properties=_properties(asked),
    )
    compiled = time.perf_counter()
    fed = _filled(session)
    session.infer(fed)
    first = time.perf_counter()
    run = _one_by_one if asked.hint == "latency" else _queued
    requests, latencies_ms, total_ms = run(session, fed, asked.seconds)
    batches = {array.shape[0] for array in fed.values() if array.ndim}
    return Measured(
        shapes={name: array.shape for name, array in fed.items()},
        batch=batches.pop() if len(batches) == 1 else 1,
        read_ms=(read - started) * 1e3,
        compile_ms=(compiled - read) * 1e3,
        first_ms=(first - compiled) * 1e3,
        total_ms=total_ms,
        latencies_ms=latencies_ms,
        requests=requests,
        streams=_told(session, "NUM_STREAMS"),
        threads=_told(session, "INFERENCE_NUM_THREADS"),
        execution_devices=session.execution_devices,
        execution_precision=session.execution_precision,
    )


def _one_by_one(session: Session, fed: Tensors, seconds: float) -> tuple[int, list[float], float]:
    request = session.compiled.create_infer_request()
    request.infer(fed)
    latencies_ms = []
    for started in _meanwhile(seconds):
        request.infer()
        latencies_ms.append((time.perf_counter() - started) * 1e3)
    return 1, latencies_ms, sum(latencies_ms)


def _queued(session: Session, fed: Tensors, seconds: float) -> tuple[int, list[float], float]:
    import openvino as ov

    queue = ov.AsyncInferQueue(session.compiled)
    for request in queue:
        request.infer(fed)
    latencies_ms: list[float] = []
    busy: set[int] = set()
    began = time.perf_counter()
    for _ in _meanwhile(seconds):
        idle = queue.get_idle_request_id()
        if idle in busy:
            latencies_ms.append(queue[idle].latency)
        busy.add(idle)
        queue.start_async()
    queue.wait_all()
    total_ms = (time.perf_counter() - began) * 1e3
    return len(queue), latencies_ms + [queue[place].latency for place in busy], total_ms


def _meanwhile(seconds: float) -> Iterator[float]:
    """The time, again and again, at least once and until so many seconds are over."""
    began = now = time.perf_counter()
    with progress.bar(int(seconds), "bench", "s") as bar:
        shown = 0
        while True:
            yield now
            now = time.perf_counter()
            if (passed := int(now - began)) > shown:
                bar.update(passed - shown)
                shown = passed
            if now - began >= seconds:
                return


def _reshape(model: "ov.Model", asked: Asked) -> None:
    """Give a model the shapes that were asked for.

    Raises:
        SpecError: they do not fit, or leave a dimension open.
    """
    import openvino as ov

    wanted = {ports.name(port): port.partial_shape for port in model.inputs}
    given = shapes(asked.shape, list(wanted)) if asked.shape else {}
    try:
        for name, text in given.items():
            wanted[name] = ov.PartialShape(text)
        if asked.batch:
            for shape in wanted.values():
                if shape.rank.is_static and len(shape):
                    shape[0] = asked.batch
        model.reshape(wanted)
    except RuntimeError as e:
        raise SpecError(f"shapes {_shown(wanted)}: {reasons.last_line(str(e))}") from e
    if any(port.partial_shape.is_dynamic for port in model.inputs):
        raise SpecError(f"its shapes are open, {_shown(wanted)}: want a number for each ?")


def shapes(text: str, inputs: Sequence[str]) -> dict[str, str]:
    """The shape of each input that a text of `-shape` names; without a name, of the only one.

    Raises:
        SpecError: it is no such text, or of an input that there is not.
    """
    found = list(_SHAPE.finditer(text.strip()))
    if "".join(part[0] for part in found) != text.strip() or not found:
        raise SpecError(f"shape {text!r}: want it as input_ids[1,16],attention_mask[1,16]")
    if len(found) == 1 and not found[0]["name"]:
        if len(inputs) > 1:
            raise SpecError(f"shape {text!r}: of which input: {list(inputs)}")
        return {inputs[0]: f"[{found[0]['dimensions']}]"}
    named = {part["name"].strip(): f"[{part['dimensions']}]" for part in found}
    if unknown := sorted(named.keys() - set(inputs)):
        raise SpecError(f"shape {text!r}: no input {unknown[0]!r}: have {list(inputs)}")
    return named


def _shown(wanted: Mapping[str, "ov.PartialShape"]) -> str:
    return ",".join(f"{name}{shape.to_string()}" for name, shape in wanted.items())


def _properties(asked: Asked) -> dict[str, object]:
    properties: dict[str, object] = {}
    if asked.threads:
        properties["INFERENCE_NUM_THREADS"] = asked.threads
    devices: dict[str, dict[str, object]] = {}
    asked_of = {"NUM_STREAMS": asked.streams, "INFERENCE_PRECISION_HINT": asked.precision}
    for key, text in asked_of.items():
        if not text:
            continue
        if ":" not in text:
            properties[key] = text
            continue
        for part in text.split(","):
            if (found := _PER_DEVICE.fullmatch(part.strip())) is None:
                raise SpecError(f"{text!r}: want a value for each device, as CPU:2,GPU:1")
            devices.setdefault(found["device"], {})[key] = found["value"]
    return properties | ({"DEVICE_PROPERTIES": devices} if devices else {})


def _filled(session: Session) -> dict[str, Array]:
    """Values of no meaning for each input; what goes with tokens as transformers makes it."""
    wanted = {ports.name(port): port for port in session.compiled.inputs}
    drawn = [name for name in wanted if TOKENS not in wanted or name not in MADE]
    return fit({name: _drawn(name, wanted[name]) for name in drawn}, wanted)


def _drawn(name: str, port: "ov.ConstOutput") -> Array:
    chance = np.random.default_rng(0)
    shape, dtype = tuple(port.shape), np.dtype(port.element_type.to_dtype())
    if dtype.kind == "f":
        return chance.standard_normal(shape).astype(dtype)
    if dtype.kind not in "iub":
        return np.full(shape, "text")
    drawn = np.ones(shape) if "mask" in name else chance.integers(0, _TOKENS, shape)
    return drawn.astype(dtype)


def _told(session: Session, key: str) -> int | None:
    try:
        return int(device_property(session.compiled, key))
    except (KeyError, RuntimeError):  # the device has no such thing
        return None
