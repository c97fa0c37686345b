"""Paddle: a `.pdmodel` and its `.pdiparams`; the original in Paddle, if it is there.

Paddle 3 saves another kind of program by default, a JSON, which OpenVINO does not read.
"""

import glob
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.errors import DataError, ExportError
from pipeline.exporters import _bare, _beside, _frontends, _runtimes
from pipeline.exporters._runtimes import Interface, Port
from pipeline.exporters._runtimes import use_threads as use_threads
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Networks, Tensors
from pipeline.spec import Declared, Model

TOOLCHAIN = _bare.TOOLCHAIN
RUNS_WITH = ("numpy", "openvino", "paddlepaddle", "pillow")
ENDINGS = (".pdmodel",)
_WEIGHTS = ".pdiparams"
_OF_PADDLE_3 = ("inference.json", f"inference{_WEIGHTS}")
_FRONTEND = _frontends.Frontend("paddle", "Paddle program")
_RUNTIME = "paddle"


def baseline() -> str:
    """What the original runs in."""
    return "Paddle fp32" if find_spec(_RUNTIME) else _bare.IR_BASELINE


def files(model: Model) -> tuple[str, ...]:
    """The programs, their weights, and what lies beside."""
    return (*{name: None for together in weights(model) for name in together}, *_beside.NAMES)


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """The programs, each with the file of its weights; that of Paddle 3 is refused later."""
    named = [glob.escape(name) for name in model.networks.values()]
    if named:
        return ((*named, *(str(PurePosixPath(name).with_suffix(_WEIGHTS)) for name in named)),)
    return ((f"*{ENDINGS[0]}", f"*{_WEIGHTS}"), _OF_PADDLE_3)


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the IR folder.

    Raises:
        ExportError: it is no program that OpenVINO reads, or it does not know an operation.
    """
    found = _places(source, model)
    networks = _frontends.converted(_FRONTEND, found, source, model)
    files = (file for path in found.values() for file in (path, path.with_suffix(_WEIGHTS)))
    reads = {file.relative_to(source).as_posix() for file in files}
    return _bare.write(networks, source, model, out, reads=reads)


def original(source: Path, model: Model) -> Networks:
    """The networks in Paddle, else in OpenVINO at fp32."""
    runtime = _Original if find_spec(_RUNTIME) else None
    return _frontends.originals(_FRONTEND, _places(source, model), source, model, runtime)


def inputs(source: Path, model: Model) -> dict[str, Declared]:
    """What the only network says of its inputs.

    Raises:
        ExportError: an input is no tensor of numbers.
    """
    return _frontends.declared(_FRONTEND, _places(source, model), source, model)


class _Original:
    """A `Network` of a program in Paddle.

    Args:
        path: the program.
        interface: of its IR, whose names are taken.

    Raises:
        DataError: Paddle does not take it.
    """

    def __init__(self, path: Path, interface: Interface) -> None:
        self._path, self._interface = path, interface
        self._open()

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by name.

        Raises:
            DataError: Paddle does not take the inputs.
        """
        if self._on != _runtimes.threads():
            self._open()
        fed = fit(inputs, self._takes)
        try:
            for name, array in fed.items():
                self._takes[name].copy_from_cpu(np.ascontiguousarray(array))
            self._predictor.run()
        except (RuntimeError, TypeError, ValueError) as e:
            raise DataError(f"{self._path.name}: Paddle: {_runtimes.said(e)}") from e
        return {name: handle.copy_to_cpu() for name, handle in self._gives.items()}

    def reset(self) -> None:
        """Nothing stays between calls."""

    def _open(self) -> None:
        inference = import_module(f"{_RUNTIME}.inference")
        self._on = _runtimes.threads()
        config = inference.Config(str(self._path), str(self._path.with_suffix(_WEIGHTS)))
        config.disable_gpu()
        config.disable_glog_info()
        if self._on:
            config.set_cpu_math_library_num_threads(self._on)
        try:
            self._predictor = inference.create_predictor(config)
        except (RuntimeError, ValueError) as e:
            raise DataError(f"{self._path.name}: Paddle: {_runtimes.said(e)}") from e
        takes = self._predictor.get_input_names(), self._predictor.get_input_handle
        gives = self._predictor.get_output_names(), self._predictor.get_output_handle
        self._takes = self._handles(self._interface.takes, *takes)
        self._gives = self._handles(self._interface.gives, *gives)

    def _handles(self, wanted: Sequence[Port], names: list[str], handle: Any) -> dict[str, Any]:
        """The handle of each port of the IR; before a run they know no shape."""
        offered = [Port(name, None) for name in names]
        places = _runtimes.matched(wanted, offered, f"{self._path.name}: Paddle")
        return {name: handle(names[place]) for name, place in places.items()}


def _places(source: Path, model: Model) -> dict[str, Path]:
    """The program of each network, by the name of its IR.

    Raises:
        ExportError: it or its weights are not there, or it is one of Paddle 3.
    """
    unnamed = not model.networks and not any(source.rglob(f"*{ENDINGS[0]}"))
    named = model.model_copy(update={"files": {"model": _OF_PADDLE_3[0]}}) if unnamed else model
    found = _bare.places(source, named, ENDINGS)
    for path in found.values():
        where = _frontends.where(path, source, model)
        if path.suffix == ".json":
            raise ExportError(
                f"{where}: a program of Paddle 3, which OpenVINO does not read: want a .pdmodel, "
                "as paddle.jit.save writes it where FLAGS_enable_pir_api=0"
            )
        if not path.with_suffix(_WEIGHTS).is_file():
            raise ExportError(f"{where}: no {path.with_suffix(_WEIGHTS).name} beside it")
    return found
