"""SavedModels and frozen graphs where their users run them: TensorFlow, on the CPU."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, ExportError
from pipeline.exporters import _runtimes
from pipeline.exporters._runtimes import Interface, Port
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Tensors

NAME = "TensorFlow fp32"
MODULE = "tensorflow"
_DEFAULT = "serving_default"


class Original:
    """A `Network` of a SavedModel or a frozen graph in TensorFlow.

    Args:
        path: the folder, or the file.
        interface: of its IR, whose names are taken.

    Raises:
        DataError: TensorFlow does not take it.
    """

    def __init__(self, path: Path, interface: Interface) -> None:
        self._path, self._interface = path, interface
        self._open()

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by name.

        Raises:
            DataError: TensorFlow does not take the inputs.
        """
        tf = import_module(MODULE)
        if self._on != _runtimes.threads():
            self._session.close()
            self._open()
        fed = {self._takes[name]: array for name, array in fit(inputs, self._takes).items()}
        try:
            made: dict[str, Any] = self._session.run(self._gives, fed)
        except (tf.errors.OpError, TypeError, ValueError) as e:
            raise DataError(f"{self._path.name}: TensorFlow: {_runtimes.said(e)}") from e
        return made

    def reset(self) -> None:
        """Nothing stays between calls."""

    def _open(self) -> None:
        # Of each session its own, so that a later one may have another number of threads.
        os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "1")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        tf = import_module(MODULE)
        self._on = _runtimes.threads()
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=self._on,
            inter_op_parallelism_threads=self._on,
            use_per_session_threads=True,
        )
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                load = self._load_saved if self._path.is_dir() else self._load_frozen
                takes, gives = load(tf.compat.v1)
            self._takes = self._tensors(self._interface.takes, takes, graph)
            self._gives = self._tensors(self._interface.gives, gives, graph)
        except (tf.errors.OpError, LookupError, OSError, RuntimeError, ValueError) as e:
            raise DataError(f"{self._path.name}: TensorFlow: {_runtimes.said(e)}") from e

    def _load_saved(self, v1: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Tensors by what the signature calls them."""
        meta = v1.saved_model.loader.load(self._session, ["serve"], str(self._path))
        chosen = meta.signature_def[signature([*meta.signature_def])]
        sides = (chosen.inputs, chosen.outputs)
        takes, gives = ({name: told.name for name, told in side.items()} for side in sides)
        return takes, gives

    def _load_frozen(self, v1: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Tensors by their names."""
        graph = v1.GraphDef.FromString(self._path.read_bytes())
        v1.import_graph_def(graph, name="")
        sides = (self._interface.takes, self._interface.gives)
        takes, gives = ({port.name: port.name for port in side} for side in sides)
        return takes, gives

    def _tensors(
        self, wanted: Sequence[Port], tensors: Mapping[str, str], graph: Any
    ) -> dict[str, str]:
        """The tensor of each port of the IR."""
        offered = [
            Port(name, _sizes(graph.get_tensor_by_name(tensor).shape))
            for name, tensor in tensors.items()
        ]
        places = _runtimes.matched(wanted, offered, f"{self._path.name}: TensorFlow")
        return {name: [*tensors.values()][place] for name, place in places.items()}


def signature(names: Sequence[str], where: str = "") -> str:
    """The signature that is converted: the usual one, or the only one.

    Raises:
        ExportError: there is neither.
    """
    offered = sorted(name for name in names if not name.startswith("__"))
    if _DEFAULT in offered:
        return _DEFAULT
    if len(offered) != 1:
        raise ExportError(
            f"{where}: signatures {offered}: want one alone, or {_DEFAULT!r} among them"
        )
    return offered[0]


def _sizes(shape: Any) -> tuple[int, ...] | None:
    """A shape of TensorFlow; None where it may have any number of axes."""
    return None if shape.rank is None else tuple(-1 if n is None else n for n in shape.as_list())
