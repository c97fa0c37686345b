"""TensorFlow: a SavedModel's folder, or a frozen graph; the original in TensorFlow, if it is there.

Inputs and outputs of a SavedModel are called as its signature has them, `serving_default` or the
only one; those of a frozen graph as its tensors, `image:0`.
"""

import glob
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import ExportError
from pipeline.exporters import _bare, _beside, _frontends, _tensorflow
from pipeline.exporters._runtimes import use_threads as use_threads
from pipeline.networks import protobuf
from pipeline.networks.protobuf import Field
from pipeline.networks.tensors import Networks
from pipeline.spec import ONE, Declared, Model

TOOLCHAIN = _bare.TOOLCHAIN
RUNS_WITH = ("numpy", "openvino", "pillow", "tensorflow", "tensorflow-cpu")
ENDINGS = (".pb",)
SAVED = "saved_model.pb"
_VARIABLES = ("variables/variables.index", "variables/variables.data-*")
_FRONTEND = _frontends.Frontend("tf", "SavedModel or frozen graph")
# Fields of Protocol Buffers, one in the other. Of a SavedModel: meta graph, signature, its name.
_TO_SIGNATURES = (2, 5, 1)
_TO_NODES = ((1, 1), (2, 1, 3, 1))  # of a graph: node, name; library, function, node, name
_TO_GRAPH = (2, 2)  # of a SavedModel: meta graph, graph


def baseline() -> str:
    """What the original runs in."""
    return _tensorflow.NAME if find_spec(_tensorflow.MODULE) else _bare.IR_BASELINE


def files(model: Model) -> tuple[str, ...]:
    """The graphs, the variables of those that are no frozen ones, and what lies beside."""
    named = model.networks.values() or (SAVED,)
    saved = [PurePosixPath(name).parent for name in named if PurePosixPath(name).name == SAVED]
    of_saved = [glob.escape(f"{folder}/").removeprefix("./") for folder in saved]
    variables = (f"{prefix}{pattern}" for prefix in of_saved for pattern in _VARIABLES)
    return (*map(glob.escape, named), *variables, *_beside.NAMES)


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """The graphs; a SavedModel of constants has no variables."""
    return (tuple(map(glob.escape, model.networks.values() or (SAVED,))),)


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the IR folder.

    Raises:
        ExportError: it is no SavedModel and no frozen graph, has several signatures, or OpenVINO
            does not know an operation.
    """
    found = _places(source, model)
    networks = _frontends.converted(_FRONTEND, found, source, model)
    reads = {name for path in found.values() for name in _read(path, source)}
    keep = {name for path in found.values() for name in _nodes(path)}
    return _bare.write(networks, source, model, out, keep=keep, reads=reads)


def original(source: Path, model: Model) -> Networks:
    """The networks in TensorFlow, else in OpenVINO at fp32."""
    runtime = _tensorflow.Original if find_spec(_tensorflow.MODULE) else None
    return _frontends.originals(_FRONTEND, _places(source, model), source, model, runtime)


def inputs(source: Path, model: Model) -> dict[str, Declared]:
    """What the only network says of its inputs.

    Raises:
        ExportError: an input is no tensor of numbers.
    """
    return _frontends.declared(_FRONTEND, _places(source, model), source, model)


def _places(source: Path, model: Model) -> dict[str, Path]:
    """The folder of each SavedModel and the file of each frozen graph, by the name of its IR.

    Raises:
        ExportError: it is not there, or OpenVINO would make one network of several signatures.
    """
    saved = model if model.networks else model.model_copy(update={"files": {ONE: SAVED}})
    found = _bare.places(source, saved, ENDINGS)
    for path in found.values():
        if path.name == SAVED:
            where = _frontends.where(path, source, model)
            _tensorflow.signature(_signatures(path, where), where)
    return {name: path.parent if path.name == SAVED else path for name, path in found.items()}


def _read(path: Path, source: Path) -> set[str]:
    """The names of the files of a network."""
    files = [path / SAVED, *path.glob("variables/*")] if path.is_dir() else [path]
    return {file.relative_to(source).as_posix() for file in files}


def _signatures(path: Path, where: str) -> list[str]:
    """The names of the signatures of a saved_model.pb.

    Raises:
        ExportError: it is none.
    """
    try:
        return sorted(_texts(path, _TO_SIGNATURES))
    except (EOFError, ValueError) as e:
        raise ExportError(f"{where}: no SavedModel: {e}") from e


def _nodes(path: Path) -> set[str]:
    """The names that a graph gives its nodes, those in its functions too."""
    if not path.is_dir():
        return {name for numbers in _TO_NODES for name in _texts(path, numbers)}
    return {n for numbers in _TO_NODES for n in _texts(path / SAVED, (*_TO_GRAPH, *numbers))}


def _texts(path: Path, numbers: Sequence[int]) -> set[str]:
    """The texts in the fields of these numbers of a file, one in the other."""
    message = path.read_bytes()
    found = _walk(message, numbers, 0, len(message))
    return {message[field.begin : field.end].decode() for field in found}


def _walk(message: bytes, numbers: Sequence[int], begin: int, end: int) -> Iterator[Field]:
    """The fields of these numbers, one in the other."""
    first, *rest = numbers
    for field in protobuf.fields(message, begin, end):
        if field.number == first:
            yield from _walk(message, rest, field.begin, field.end) if rest else (field,)
