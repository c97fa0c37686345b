"""ONNX networks where their users run them: ONNX Runtime, on the CPU."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.exporters import _runtimes
from pipeline.host import reasons
from pipeline.networks.inputs import fit
from pipeline.networks.tensors import Tensors

NAME = "ONNX Runtime"


class Original:
    """A `Network` of an ONNX file.

    Args:
        path: the file; what it names lies beside it.

    Attributes:
        inputs: the names of what it takes.
        batch: how many items it takes at once; None where any number will do.

    Raises:
        DataError: ONNX Runtime does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def __call__(self, inputs: Tensors) -> Tensors:
        """The outputs by name.

        Raises:
            DataError: ONNX Runtime does not take the inputs.
        """
        if self._on != _runtimes.threads():
            self._open()
        fed = fit(inputs, self.inputs)
        try:
            made = self._session.run(self._outputs, fed)
        except _refusals() as e:
            raise DataError(f"{self._path.name}: ONNX Runtime: {_said(e)}") from e
        return dict(zip(self._outputs, made, strict=True))

    def reset(self) -> None:
        """Nothing stays between calls."""

    def _open(self) -> None:
        import onnxruntime

        self._on = _runtimes.threads()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._on
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(
                self._path, options, providers=["CPUExecutionProvider"]
            )
        except _refusals() as e:
            raise DataError(f"{self._path.name}: ONNX Runtime: {_said(e)}") from e
        takes, gives = self._session.get_inputs(), self._session.get_outputs()
        self.inputs = [port.name for port in takes]
        self._outputs = [port.name for port in gives]
        found = {(*port.shape, None)[0] for port in (*takes, *gives)}
        first = found.pop()
        self.batch = first if isinstance(first, int) and not found else None


def _refusals() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: classes of its own without a common one."""
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    found: Collection[Any] = vars(raised).values()
    own = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def _said(error: Exception) -> str:
    return reasons.last_line(str(error)) or type(error).__name__
