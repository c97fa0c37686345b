"""ONNX: any graph, with external data too; the original runs in ONNX Runtime.

Names that the graph gives its nodes and tensors are kept. What a file says is held against the
source before OpenVINO reads it: external data that leads out or is not there, branches in branches
(25 of them keep its converter busy for ever).
"""

import functools
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.errors import ExportError
from pipeline.exporters import _bare, _beside, _onnxruntime, _prepared
from pipeline.exporters._runtimes import use_threads as use_threads
from pipeline.networks import invented, ir
from pipeline.networks.batched import Batched
from pipeline.networks.tensors import Network, Networks
from pipeline.spec import Declared, Model

TOOLCHAIN = (*_bare.TOOLCHAIN, "onnx", "protobuf")
RUNS_WITH = ("numpy", "onnxruntime", "pillow")
ENDINGS = (".onnx",)
MAX_DEPTH = 8  # of graphs in graphs
_TYPES = {np.dtype(numpy).name: ours for ours, numpy in invented.TYPES.items()}
# What a file of external data is called; it lies in the folder of its network, or below.
_DATA = ("*.onnx_data*", "*.onnx.data*", "*.data", "*.weights", "weights.*", "data.*", "model.bin")


def baseline() -> str:
    """What the original runs in."""
    return _onnxruntime.NAME


def files(model: Model) -> tuple[str, ...]:
    """The networks, what may hold their weights, and what lies beside."""
    named = model.networks.values()
    folders = {str(PurePosixPath(name).parent) for name in named} or {"."}
    prefixes = ["" if folder == "." else f"{folder}/" for folder in sorted(folders)]
    data = tuple(f"{prefix}{pattern}" for prefix in prefixes for pattern in _DATA)
    return (*_bare.patterns(model, ENDINGS), *data, *_beside.NAMES)


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """The networks: weights lie in them or beside them."""
    return _bare.together(model, ENDINGS)


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the IR folder.

    Raises:
        ExportError: it is no ONNX, not whole, or nothing that OpenVINO converts.
    """
    import openvino as ov

    networks, keep, reads = {}, set(), set()
    for name, path in _bare.places(source, model, ENDINGS).items():
        where = path.relative_to(source).as_posix()
        graph = _read(path, f"{model.source}: {where}")
        beside = _external(graph, path, f"{model.source}: {where}")
        with _bare.gathered(path, beside) as file, _bare.told(f"{model.source}: {where}"):
            networks[name] = ov.convert_model(file)  # which folds what reading leaves
        _name_outputs(networks[name], graph)
        keep |= {text for node in graph.graph.node for text in (node.name, *node.output)}
        folder = path.relative_to(source).parent
        reads |= {where, *((folder / name).as_posix() for name in beside)}
    return _bare.write(networks, source, model, out, keep=keep, reads=reads)


def original(source: Path, model: Model) -> Networks:
    """The networks in ONNX Runtime."""
    found = _bare.places(source, model, ENDINGS)
    networks = {name: _original(path) for name, path in found.items()}
    return _prepared.fed(networks, model)


def _original(path: Path) -> Network:
    network = _onnxruntime.Original(path)
    if network.batch is None:
        return network
    return Batched(network, network.batch, network.inputs)


def inputs(source: Path, model: Model) -> dict[str, Declared]:
    """What the graph of the only network says of its inputs; of several the first.

    Raises:
        ExportError: an input is no tensor of numbers.
    """
    found = _bare.places(source, model, ENDINGS)
    path = found.get(ir.MODEL) or next(iter(found.values()))
    return _inputs(path, f"{model.source}: {path.name}")


@functools.lru_cache(maxsize=4)  # it may take reading gigabytes
def _inputs(path: Path, where: str) -> dict[str, Declared]:
    graph = _read(path, where).graph
    weights = {tensor.name for tensor in graph.initializer}
    return {
        port.name: _declared(port, f"{where}: input {port.name!r}")
        for port in graph.input
        if port.name not in weights
    }


def _read(path: Path, where: str) -> Any:
    """A model without its external data."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        read = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as e:
        raise ExportError(f"{where}: no ONNX, or one that ends early: {e}") from e
    if not read.graph.node or not read.graph.output:
        raise ExportError(f"{where}: no ONNX: it holds no graph")
    if (depth := max(_depths(read.graph))) > MAX_DEPTH:
        raise ExportError(f"{where}: graphs in graphs, {depth} deep: want at most {MAX_DEPTH}")
    return read


def _depths(graph: Any, depth: int = 1) -> Iterator[int]:
    """How deep each graph lies; no deeper than is asked for."""
    yield depth
    for node in graph.node if depth <= MAX_DEPTH else ():
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _depths(inner, depth + 1)


def _external(graph: Any, path: Path, where: str) -> set[str]:
    """The files that hold weights, from the network's folder.

    Raises:
        ExportError: one is not in the source, or ends before its tensor.
    """
    from onnx.external_data_helper import ExternalDataInfo, _get_all_tensors, uses_external_data

    found = set()
    for tensor in _get_all_tensors(graph):
        if not uses_external_data(tensor):
            continue
        told = ExternalDataInfo(tensor)
        name = PurePosixPath(told.location)
        if name.is_absolute() or ".." in name.parts or "\\" in told.location:
            raise ExportError(f"{where}: external data {told.location!r} leads out of its folder")
        if not (file := path.parent / name).is_file():
            raise ExportError(
                f"{where}: external data {told.location!r} is not there: want it in the source, "
                f"and beside: [{told.location}] in the model's entry"
            )
        end = (told.offset or 0) + (told.length or 0)
        if (size_bytes := file.stat().st_size) < end:
            raise ExportError(
                f"{where}: external data {told.location!r} ends early: tensor {tensor.name!r} "
                f"wants {end} bytes, it has {size_bytes}"
            )
        found.add(name.as_posix())
    return found


def _name_outputs(network: Any, graph: Any) -> None:
    """Leave outputs the name that the graph has for them, so that nobody guesses among several."""
    names = [port.name for port in graph.graph.output]
    if len(network.outputs) == len(names):
        for port, name in zip(network.outputs, names, strict=True):
            if name in port.get_names() and not port.get_names() & ({*names} - {name}):
                port.get_tensor().set_names({name})


def _declared(port: Any, where: str) -> Declared:
    """An input as the graph has it: open where an axis has a name, or none."""
    import onnx
    from onnx.helper import tensor_dtype_to_np_dtype

    told = port.type.tensor_type
    if not told.elem_type or told.elem_type == onnx.TensorProto.STRING:
        raise ExportError(f"{where}: no tensor of numbers")
    if not told.HasField("shape"):
        raise ExportError(f"{where}: any number of axes: want a graph that says how many")
    shape = [axis.dim_value if axis.dim_value > 0 else -1 for axis in told.shape.dim]
    kind = _TYPES.get(str(tensor_dtype_to_np_dtype(told.elem_type)), "f32")
    return Declared.from_dict({"shape": shape, "type": kind}, where, ExportError)
