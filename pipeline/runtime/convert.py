"""Models of PyTorch or ONNX become an IR file: canonical, at a precision, whole or not at all.

OpenVINO converts both itself; no ONNX lies between a PyTorch model and its IR. This is for a model
that one has in hand. What comes from Hugging Face goes through the pipeline, which validates it.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from pipeline import kinds
from pipeline.errors import DataError, ExportError, PrecisionError, SpecError, ToolError
from pipeline.host import atomic, reasons
from pipeline.networks import writer
from pipeline.networks.tensors import Tensors
from pipeline.runtime import config as configs
from pipeline.runtime import extra, shapes
from pipeline.runtime.config import Config
from pipeline.runtime.shapes import Shapes

if TYPE_CHECKING:
    import openvino as ov
    import torch

OPSET = 13


class Converted(NamedTuple):
    """What a conversion made.

    Args:
        path: the `.xml`; its `.bin` lies beside it.
        precision: of the weights, FP32, FP16 or INT8.
        size_bytes: of both files.
        seconds: that all of it took.
        inputs: shapes by name.
        outputs: shapes by name.
        onnx: the ONNX file that was asked for.
        onnx_seconds: that it took.
    """

    path: Path
    precision: str
    size_bytes: int
    seconds: float
    inputs: Shapes
    outputs: Shapes
    onnx: Path | None = None
    onnx_seconds: float = 0.0


class Fed(NamedTuple):
    """What INT8 is calibrated on (precisions.Data)."""

    samples: Sequence[Tensors]

    def inputs(self, count: int) -> Sequence[Tensors]:
        """The first so many."""
        return self.samples[:count]


def from_pytorch(
    model: "torch.nn.Module", example: Any, output: Path | str, config: Config | None = None
) -> Converted:
    """Convert a PyTorch model.

    Args:
        model: it is put into eval mode.
        example: a tensor, a tuple of them, or a dict by argument.
        output: the `.xml` to write.
        config: keys of `convert` (config.KEYS).

    Raises:
        SpecError: a key or the path will not do.
        ExportError: the model cannot be converted.
        PrecisionError: it cannot be had at that precision.
        ToolError: PyTorch is not here.
    """
    import openvino as ov

    with _installed("convert_from_pytorch"):
        import torch
    began, given = time.perf_counter(), _checked(config)
    target = _target(output)
    model.eval()
    try:
        with torch.inference_mode():
            network = ov.convert_model(model, example_input=_owned(example))
    except (RuntimeError, TypeError, ValueError) as e:
        raise ExportError(f"{type(model).__name__}: {reasons.why(e, 'cannot convert')}") from e
    _name(network, given, list(example) if isinstance(example, dict) else [])
    _shape(network, given, _shapes_of(example))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as folder:
        at, onnx = time.perf_counter(), None
        if given.get("keep_onnx"):
            onnx = Path(folder) / f"{target.stem}.onnx"
            _export_onnx(model, example, onnx, given)
        onnx_seconds = time.perf_counter() - at if onnx else 0.0
        made = _finish(network, target, Path(folder), given)
        if onnx:
            atomic.publish(onnx, onnx := target.with_suffix(".onnx"))
    seconds = time.perf_counter() - began
    return made._replace(onnx=onnx, onnx_seconds=onnx_seconds, seconds=seconds)


def from_onnx(onnx: Path | str, output: Path | str, config: Config | None = None) -> Converted:
    """Convert an ONNX file.

    Raises:
        SpecError: it is not there, or a key or the path will not do.
        ExportError: it cannot be converted.
        PrecisionError: it cannot be had at that precision.
    """
    import openvino as ov

    began, given = time.perf_counter(), _checked(config)
    target = _target(output)
    source = Path(onnx)
    if source.suffix != ".onnx" or not source.is_file():
        raise SpecError(f"{source}: want an .onnx file that is there")
    try:
        network = ov.Core().read_model(source)
    except RuntimeError as e:
        raise ExportError(f"{source}: {reasons.last_line(str(e))}") from e
    _name(network, given, [])
    _shape(network, given, {})
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as folder:
        made = _finish(network, target, Path(folder), given)
    return made._replace(seconds=time.perf_counter() - began)


def brought(network: "ov.Model", precision: str, data: Sequence[Tensors]) -> "ov.Model":
    """A network at a precision, by the recipe's defaults.

    Args:
        network: it may be changed.
        precision: one of the family.
        data: what it is calibrated on, if it is.

    Raises:
        PrecisionError: it cannot be had at that precision.
    """
    member = kinds.load("precision", precision)
    options = member.Options.from_dict({"isa": "host"} if precision == "int8" else {})
    # NNCF draws bars there.
    with _installed(f"precision {precision}"), contextlib.redirect_stdout(io.StringIO()):
        made, _ = member.apply(network, options, Fed(samples(data)))
    member.check(made, options)
    return cast("ov.Model", made)


@contextlib.contextmanager
def _installed(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as e:
        raise ToolError(f"{what} wants {e.name}: pip install '{extra.NAME}[build]'") from e


def samples(given: Any, count: int | None = None) -> list[Tensors]:
    """Calibration data as what a network is fed, one dict for each.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(given, Sequence) or not all(isinstance(entry, Mapping) for entry in given):
        raise DataError("calibration_data: want a list of dicts of arrays, one for each sample")
    return [{name: np.asarray(array) for name, array in entry.items()} for entry in given[:count]]


def _checked(config: Config | None) -> dict[str, Any]:
    given = configs.checked(config)
    given["precision"] = str(given.get("precision", "FP32")).upper()
    if given["precision"] not in configs.CONVERTED:
        have = list(configs.CONVERTED)
        raise SpecError(f"config: precision: {given['precision']!r}: have {have}")
    if given["precision"] == "INT8" and not given.get("calibration_data"):
        raise PrecisionError(
            "precision INT8 is calibrated: want calibration_data, as [{'x': array}, ...]; "
            "or convert to FP16 and have INT8 weights by `compression` when it is loaded"
        )
    return given


def _target(output: Path | str) -> Path:
    target = Path(output)
    if target.suffix != ".xml":
        raise SpecError(f"{target}: want the path of an .xml file")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _owned(example: Any) -> Any:
    """An example as ov.convert_model takes it: a list is a tuple."""
    return tuple(example) if isinstance(example, list) else example


def _shapes_of(example: Any) -> dict[str | int, list[int]]:
    """The shapes of an example, by name or by place."""
    if isinstance(example, dict):
        return {name: list(array.shape) for name, array in example.items()}
    arrays = example if isinstance(example, tuple | list) else [example]
    return {place: list(array.shape) for place, array in enumerate(arrays)}


def _name(network: "ov.Model", given: Config, by_example: Sequence[str]) -> None:
    """Give inputs and outputs the names that were asked for; no output stays without one."""
    asked = {key: given.get(key, ()) for key in ("input_names", "output_names")}
    for key, ports in (("input_names", network.inputs), ("output_names", network.outputs)):
        names = [asked[key]] if isinstance(asked[key], str) else list(asked[key])
        if len(names) > len(ports):
            raise SpecError(f"config: {key}: {names}: the model has {len(ports)}")
        for port, name in zip(ports, names, strict=False):
            port.get_tensor().set_names({name})
    for place, port in enumerate(network.inputs):
        if not port.get_names():
            name = by_example[place] if place < len(by_example) else f"input_{place}"
            port.get_tensor().set_names({name})
    for place, port in enumerate(network.outputs):
        if not port.get_names():
            name = "output" if len(network.outputs) == 1 else f"output_{place}"
            port.get_tensor().set_names({name})


def _shape(network: "ov.Model", given: Config, example: Mapping[str | int, list[int]]) -> None:
    """Give a network the shapes and layouts that were asked for."""
    import openvino as ov

    names = [port.any_name for port in network.inputs]
    wanted: dict[str, list[int]] = {}
    if (asked := given.get("input_shapes")) is not None:
        wanted = shapes.static(asked, names)
    elif "dynamic_axes" in given or given.get("dynamic_shapes") is False:
        for place, name in enumerate(names):
            shape = example.get(name, example.get(place))
            if shape is None:
                raise SpecError(f"config: dynamic_shapes: want input_shapes, of {names}")
            axes = given.get("dynamic_axes", {}).get(name, ())
            wanted[name] = [-1 if axis in axes else size for axis, size in enumerate(shape)]
    shapes.reshape(network, wanted)
    layouts = given.get("layout", {})
    by_name = dict.fromkeys(names[:1], layouts) if isinstance(layouts, str) else dict(layouts)
    for parameter in network.get_parameters():
        if layout := by_name.get(parameter.output(0).any_name):
            parameter.set_layout(ov.Layout(layout))


def _export_onnx(model: "torch.nn.Module", example: Any, out: Path, given: Config) -> None:
    import warnings

    import torch

    arguments = () if isinstance(example, dict) else _owned(example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the other exporter wants onnxscript
        try:
            torch.onnx.export(
                model,
                arguments if isinstance(arguments, tuple) else (arguments,),
                str(out),
                kwargs=example if isinstance(example, dict) else None,
                input_names=given.get("input_names"),
                output_names=given.get("output_names"),
                opset_version=given.get("opset_version", OPSET),
                dynamic_axes=given.get("dynamic_axes"),
                dynamo=False,
            )
        except (RuntimeError, TypeError, ValueError) as e:
            raise ExportError(f"keep_onnx: {reasons.why(e, 'cannot export')}") from e


def _finish(network: "ov.Model", target: Path, folder: Path, given: Config) -> Converted:
    """Bring a network to its precision and write it: first the weights, last what names them."""
    precision = given["precision"]
    data = samples(given.get("calibration_data", []), given.get("calibration_samples"))
    network = brought(network, precision.lower(), data)
    writer.write(network, folder, target.stem)
    size_bytes = 0
    target.unlink(missing_ok=True)
    for path in (target.with_suffix(".bin"), target):
        built = folder / path.name
        size_bytes += built.stat().st_size
        atomic.publish(built, path)
    return Converted(
        target, precision, size_bytes, 0.0, shapes.of(network.inputs), shapes.of(network.outputs)
    )
