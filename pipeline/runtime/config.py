"""The config keys of IPFS Accelerate: each is honoured, mapped, or answered with why it is gone.

`KEYS` is the whole vocabulary, which docs/runtime.md shows as a table. A key means something to
some of the calls; given to another it is let be, because callers hand one config to all of them. A
key that is in no row is an error that names it. What is gone is told in a call's `notes`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import SpecError

Config = Mapping[str, Any]
Call = Literal["constructor", "load", "run", "generation", "convert"]
Fate = Literal["honoured", "mapped", "gone"]

MODEL_TYPES = ("text", "vision", "audio", "multimodal")
FORMATS = ("IR", "ONNX")
HINTS = ("LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT")
EXECUTIONS = {"FP32": "f32", "FP16": "f16", "BF16": "bf16"}
CONVERTED = ("FP32", "FP16", "INT8")
GROUPS = ("AUTO", "HETERO", "MULTI", "BATCH")


class Sort(NamedTuple):
    """What a value must be: in words, and whether one is."""

    words: str
    holds: Callable[[Any], bool]


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds) and (bool in kinds or type(value) is not bool)


def _count(value: Any) -> bool:
    return _of(int)(value) and value >= 1


def _number(value: Any) -> bool:
    return _of(int, float)(value) and math.isfinite(value) and value >= 0


def _names(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    )


TEXT = Sort("a text", _of(str))
PLACE = Sort("a path", _of(str, Path))
SWITCH = Sort("True or False", _of(bool))
COUNT = Sort("a whole number, 1 or more", _count)
NUMBER = Sort("a number, 0 or more", _number)
NAMES = Sort("names, as ['GPU', 'CPU']", _names)
MAPPING = Sort("a dict", _of(dict))
SHAPES = Sort("shapes, as {'input_ids': [1, 128]}", _of(dict, list, tuple))
ANY = Sort("anything", lambda value: True)


class Key(NamedTuple):
    """A config key.

    Args:
        name: of the key.
        calls: to which it means something.
        sort: what its value must be.
        fate: what becomes of it.
        meaning: the same in a line.
    """

    name: str
    calls: str
    sort: Sort
    fate: Fate
    meaning: str


KEYS = (
    Key("openvino_device", "constructor", TEXT, "honoured",
        "the device where a load names none; CPU without it"),
    Key("device", "load run", TEXT, "honoured",
        "`CPU`, `GPU.1`, `AUTO`, `HETERO:GPU,CPU`, `MULTI:...`, `BATCH:CPU(4)`"),
    Key("precision", "constructor load convert", TEXT, "honoured",
        "`auto` (the fastest that met its gate), `FP32` (which runs at f32), `FP16`, `INT8` ..."),
    Key("model_type", "load run", TEXT, "honoured",
        "`text`, `vision`, `audio`, `multimodal`, or a task by its name"),
    Key("model_path", "load", PLACE, "honoured", "what is loaded in place of the name"),
    Key("model_format", "load", TEXT, "honoured", "`IR` or `ONNX`: what `model_path` must be"),
    Key("cache_dir", "constructor load", PLACE, "mapped",
        "CACHE_DIR: compiled models, in a folder for each CID"),
    Key("model_caching", "load", SWITCH, "mapped", "CACHE_DIR in the store where no cache_dir is"),
    Key("multi_device", "load", SWITCH, "mapped", "`MULTI:` of device_priorities, or of all"),
    Key("device_priorities", "load", NAMES, "mapped",
        "what stands after the colon of AUTO, HETERO and MULTI"),
    Key("cpu_threads", "load", COUNT, "mapped", "INFERENCE_NUM_THREADS"),
    Key("performance_hint", "load", TEXT, "mapped", "PERFORMANCE_HINT; LATENCY without it"),
    Key("gpu_fp16_enable", "load", SWITCH, "mapped",
        "INFERENCE_PRECISION_HINT on a GPU: f16, or f32 where False"),
    Key("mixed_precision", "load", SWITCH, "mapped",
        "INFERENCE_PRECISION_HINT left to the device, or the default of mixed_precision_config"),
    Key("mixed_precision_config", "load", MAPPING, "mapped",
        "`precision_config.default`, as INFERENCE_PRECISION_HINT; of parts a device has no hint"),
    Key("input_shapes", "load convert", SHAPES, "honoured", "static shapes, by input or in order"),
    Key("precompile_shapes", "load", SWITCH, "honoured",
        "False leaves a network dynamic although there are input_shapes"),
    Key("dynamic_shapes", "load convert", SWITCH, "honoured",
        "False wants input_shapes, or takes those of the example of a conversion"),
    Key("calibration_data", "load convert", ANY, "honoured",
        "what INT8 is calibrated on: dicts of inputs, or items of the task; or a file of them"),
    Key("calibration_samples", "load convert", COUNT, "honoured", "how many of calibration_data"),
    Key("compression", "load", ANY, "mapped",
        "True is precision INT8_WEIGHTS, a text the precision itself, where none is given"),
    Key("trust_remote_code", "load", SWITCH, "mapped",
        "`allow: [remote_code]`, which wants a pinned commit (OWNER/NAME@REVISION)"),
    Key("use_optimum", "load", SWITCH, "gone",
        "there is one way from Hugging Face, the pipeline's own export (docs/grid.md)"),
    Key("optimization_level", "load", ANY, "gone",
        "OpenVINO has no such property; performance_hint is what tunes"),
    Key("gpu_optimize", "load", ANY, "gone", "the GPU plugin optimizes by itself"),
    Key("batch_size", "load run", COUNT, "honoured",
        "raw items of a run at once; tensors have their own first axis"),
    Key("sequence_length", "run", COUNT, "honoured", "tokens after which raw text is cut"),
    Key("execution_order", "run", ANY, "gone", "a request is run at once; the key is handed back"),
    Key("normalize", "run", SWITCH, "gone", "a picture is prepared as the artifact says"),
    Key("imagenet_norm", "run", SWITCH, "gone", "mean and deviation are the artifact's own"),
    Key("sample_rate", "run", COUNT, "mapped",
        "Hz of a sound given as an array, where no original_sample_rate is; resampled"),
    Key("original_sample_rate", "run", COUNT, "honoured", "Hz of a sound given as an array"),
    Key("feature_size", "run", COUNT, "gone", "the artifact's feature extractor says it"),
    Key("feature_type", "run", TEXT, "gone", "the artifact's feature extractor says it"),
    Key("max_length", "generation", COUNT, "mapped",
        "max_new_tokens of openvino.genai: of the answer alone"),
    Key("min_length", "generation", COUNT, "mapped", "min_new_tokens of openvino.genai"),
    Key("num_beams", "generation", COUNT, "honoured", "beams; 1 is greedy"),
    Key("temperature", "generation", NUMBER, "honoured",
        "above 0: draws, and does not take the best"),
    Key("top_k", "generation", COUNT, "honoured", "of how many tokens is drawn"),
    Key("top_p", "generation", NUMBER, "honoured", "of which share of probability is drawn"),
    Key("dynamic_axes", "convert", MAPPING, "honoured",
        "axes of inputs that vary, as {'x': {0: 'batch'}}; others are as in the example"),
    Key("input_names", "convert", NAMES, "honoured", "names of the inputs, in order"),
    Key("output_names", "convert", NAMES, "honoured", "names of the outputs, in order"),
    Key("opset_version", "convert", COUNT, "honoured",
        "of the ONNX file of keep_onnx; 13 without it"),
    Key("keep_onnx", "convert", SWITCH, "honoured", "an ONNX file of the model beside the IR"),
    Key("layout", "convert", ANY, "honoured", "layouts of the inputs, as 'NCHW' or {'x': 'NCHW'}"),
)  # fmt: skip
_BY_NAME = {key.name: key for key in KEYS}
_GONE = {
    call: {
        key.name: f"{key.name}: {key.meaning}"
        for key in KEYS
        if key.fate == "gone" and call in key.calls.split()
    }
    for call in ("load", "run")
}


class Loading(NamedTuple):
    """What a load is asked for.

    Args:
        device: as OpenVINO takes it.
        precision: of the artifact, in small letters, or `auto`.
        execution: INFERENCE_PRECISION_HINT, or `default`.
        hint: PERFORMANCE_HINT.
        kind: a model type, or the name of a task.
        path: what is loaded in place of the name.
        format: IR or ONNX, which the path must be.
        properties: further ones, under OpenVINO's own names.
        is_cached: whether compiled models are kept.
        cache: where, if not in the store.
        shapes: static ones, by input or in order.
        is_dynamic: False where a network without static shapes is an error.
        calibration: what INT8 is calibrated on.
        allow: what else a model's repository may do (`remote_code`).
        batch_size: raw items of a run at once.
        notes: what is gone, a line for each key.
    """

    device: str
    precision: str
    execution: str
    hint: str
    kind: str | None
    path: Path | None
    format: str | None
    properties: Mapping[str, object]
    is_cached: bool
    cache: Path | None
    shapes: Any
    is_dynamic: bool
    calibration: Any
    allow: tuple[Literal["remote_code"], ...]
    batch_size: int | None
    notes: tuple[str, ...]

    def is_like(self, other: "Loading") -> bool:
        """Whether another asks for the same, of calibration data for the very same."""
        ours, theirs = (
            [id(item) for item in asked.calibration]
            if isinstance(asked.calibration, list)
            else asked.calibration
            for asked in (self, other)
        )
        return ours == theirs and self._replace(calibration=None) == other._replace(
            calibration=None
        )


def checked(config: Config | None) -> dict[str, Any]:
    """A config as it is, less the keys without a value.

    Raises:
        SpecError: a key is unknown, or its value is of another sort.
    """
    if not config:
        return {}
    if type(config) is not dict and not isinstance(config, Mapping):
        raise SpecError(f"config: {config!r}: want a dict")
    given = {}
    for name, value in config.items():
        if (key := _BY_NAME.get(name)) is None:
            raise SpecError(f"config: unknown key {name!r}: have {sorted(_BY_NAME)}")
        if value is None:
            continue
        if not key.sort.holds(value):
            raise SpecError(f"config: {name}: {value!r}: want {key.sort.words}")
        given[name] = value
    return given


def notes(given: Config, call: Call) -> tuple[str, ...]:
    """What is gone of a call's keys, a line for each."""
    gone = _GONE.get(call, {})
    return tuple(gone[name] for name, value in given.items() if name in gone and value is not False)


def loading(config: Config | None, constructor: Config | None = None) -> Loading:
    """What a load is asked for, by its own config and the backend's.

    Raises:
        SpecError: a key is unknown, or a value will not do.
    """
    given, default = checked(config), checked(constructor)
    device, told = _device(given, default.get("openvino_device", "CPU"))
    if "compression" in given and "precision" not in given and (found := given["compression"]):
        given["precision"] = found if isinstance(found, str) else "int8_weights"
    precision = str(given.get("precision", default.get("precision", "auto"))).lower()
    cache = given.get("cache_dir", default.get("cache_dir"))
    properties: dict[str, object] = {}
    if "cpu_threads" in given:
        properties["INFERENCE_NUM_THREADS"] = given["cpu_threads"]
    shapes = given.get("input_shapes") if given.get("precompile_shapes", True) else None
    if not (is_dynamic := given.get("dynamic_shapes", True)) and not shapes:
        raise SpecError(f"config: dynamic_shapes: False: want input_shapes, {SHAPES.words[8:]}")
    calibration = given.get("calibration_data")
    if isinstance(calibration, str):
        calibration = Path(calibration)
    elif isinstance(calibration, Sequence):
        calibration = calibration[: given.get("calibration_samples")]
    return Loading(
        device=device,
        precision=precision,
        execution=_execution(given, precision, device),
        hint=_one_of(given, "performance_hint", HINTS) or "LATENCY",
        kind=_kind(given.get("model_type")),
        path=Path(given["model_path"]) if "model_path" in given else None,
        format=_one_of(given, "model_format", FORMATS),
        properties=properties,
        is_cached=bool(given.get("model_caching", cache is not None)),
        cache=None if cache is None else Path(cache),
        shapes=shapes,
        is_dynamic=is_dynamic,
        calibration=calibration,
        allow=("remote_code",) if given.get("trust_remote_code") else (),
        batch_size=given.get("batch_size"),
        notes=(*notes(given, "load"), *told),
    )


def _device(given: Config, default: str) -> tuple[str, tuple[str, ...]]:
    """The device as OpenVINO takes it, and what there is to be told."""
    device = str(given.get("device", default))
    named = given.get("device_priorities", ())
    priorities = named.replace(" ", "") if isinstance(named, str) else ",".join(named)
    group = device.partition(":")[0].upper()
    if given.get("multi_device") and group != "MULTI":
        group = "MULTI"
        device = f"MULTI:{device}" if "," in device and ":" not in device else "MULTI"
    if not priorities:
        return device, ()
    if group in GROUPS:
        return f"{group}:{priorities}", ()
    return device, (f"device_priorities: {device} is one device: want multi_device, or AUTO",)


def _execution(given: Config, precision: str, device: str) -> str:
    """INFERENCE_PRECISION_HINT: f32 where FP32 is asked for, else the device's own."""
    if "gpu_fp16_enable" in given and "GPU" in device.upper():
        return "f16" if given["gpu_fp16_enable"] else "f32"
    if given.get("mixed_precision"):
        parts = given.get("mixed_precision_config", {}).get("precision_config", {})
        return EXECUTIONS.get(str(parts.get("default", "")).upper(), "default")
    return "f32" if precision == "fp32" else "default"


def _kind(model_type: str | None) -> str | None:
    """A model type, or a task in the spelling of params.yaml."""
    from pipeline import kinds

    if model_type is None or model_type.lower() in MODEL_TYPES:
        return model_type and model_type.lower()
    stem = model_type.lower().replace("-", "_")
    if stem not in (have := kinds.names("task")):
        tasks = [name.replace("_", "-") for name in have]
        raise SpecError(f"config: model_type: {model_type!r}: have {[*MODEL_TYPES, *tasks]}")
    return stem.replace("_", "-")


def _one_of(given: Config, key: str, have: Sequence[str]) -> str | None:
    """The value of a key, in capitals."""
    if key not in given:
        return None
    if (value := str(given[key]).upper()) not in have:
        raise SpecError(f"config: {key}: {given[key]!r}: have {list(have)}")
    return value
