"""TFLite: the original runs in LiteRT where that is installed.

Of several signatures OpenVINO and LiteRT run the first graph. What its file has as int8 stays int8.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.exporters import _bare, _beside, _frontends, _runtimes
from pipeline.exporters._runtimes import Interface, Port
from pipeline.exporters._runtimes import use_threads as use_threads
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Networks, Tensors
from pipeline.spec import Declared, Model

TOOLCHAIN = _bare.TOOLCHAIN
RUNS_WITH = ("ai-edge-litert", "numpy", "openvino", "pillow")
ENDINGS = (".tflite",)
_FRONTEND = _frontends.Frontend("tflite", "TFLite", lists=True)
_RUNTIME = "ai_edge_litert"


def baseline() -> str:
    """What the original runs in."""
    return "LiteRT fp32" if find_spec(_RUNTIME) else _bare.IR_BASELINE


def files(model: Model) -> tuple[str, ...]:
    """The networks, and what lies beside."""
    return (*_bare.patterns(model, ENDINGS), *_beside.NAMES)


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """The networks: weights lie in them."""
    return _bare.together(model, ENDINGS)


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the IR folder.

    Raises:
        ExportError: it is no TFLite, or OpenVINO does not know an operation.
    """
    found = _bare.places(source, model, ENDINGS)
    networks = _frontends.converted(_FRONTEND, found, source, model)
    reads = {path.relative_to(source).as_posix() for path in found.values()}
    return _bare.write(networks, source, model, out, reads=reads)


def original(source: Path, model: Model) -> Networks:
    """The networks in LiteRT, else in OpenVINO at fp32."""
    runtime = _Original if find_spec(_RUNTIME) else None
    return _frontends.originals(
        _FRONTEND, _bare.places(source, model, ENDINGS), source, model, runtime
    )


def inputs(source: Path, model: Model) -> dict[str, Declared]:
    """What the only network says of its inputs.

    Raises:
        ExportError: an input is no tensor of numbers.
    """
    return _frontends.declared(_FRONTEND, _bare.places(source, model, ENDINGS), source, model)


class _Original:
    """A `Network` of a TFLite file in LiteRT.

    Args:
        path: the file.
        interface: of its IR, whose names are taken.

    Raises:
        DataError: LiteRT does not take it.
    """

    def __init__(self, path: Path, interface: Interface) -> None:
        self._path, self._on = path, _runtimes.threads()
        self._interpreter = self._opened()
        self._shapes: dict[int, tuple[int, ...]] = {}
        takes, gives = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        where = f"{path.name}: LiteRT"
        self._takes = _indexes(interface.takes, takes, where)
        self._gives = _indexes(interface.gives, gives, where)

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by name.

        Raises:
            DataError: LiteRT does not take the inputs.
        """
        if self._on != _runtimes.threads():
            self._on, self._shapes = _runtimes.threads(), {}
            self._interpreter = self._opened()
        fed = fit(inputs, self._takes)
        try:
            self._reshape({self._takes[name]: array.shape for name, array in fed.items()})
            for name, array in fed.items():
                self._interpreter.set_tensor(self._takes[name], np.ascontiguousarray(array))
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as e:
            self._shapes = {}
            raise DataError(f"{self._path.name}: LiteRT: {_runtimes.said(e)}") from e
        return {name: self._interpreter.get_tensor(at) for name, at in self._gives.items()}

    def reset(self) -> None:
        """Forget variables."""
        self._interpreter.reset_all_variables()

    def _opened(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

        try:
            made = Interpreter(str(self._path), num_threads=self._on or None)
            made.allocate_tensors()
        except (RuntimeError, ValueError) as e:
            raise DataError(f"{self._path.name}: LiteRT: {_runtimes.said(e)}") from e
        return made

    def _reshape(self, shapes: dict[int, tuple[int, ...]]) -> None:
        """Make room for inputs of these shapes, where axes are open."""
        if shapes == self._shapes:
            return
        for index, shape in shapes.items():
            self._interpreter.resize_tensor_input(index, shape, strict=True)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def _indexes(
    wanted: Sequence[Port], details: Sequence[Mapping[str, Any]], where: str
) -> dict[str, int]:
    """Which tensor of LiteRT is each port of the IR."""
    offered = [Port(told["name"], tuple(map(int, told["shape_signature"]))) for told in details]
    found = _runtimes.matched(wanted, offered, where)
    return {name: int(details[place]["index"]) for name, place in found.items()}
