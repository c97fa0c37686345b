"""A compiled model's ports: what they are called, and how an array gets into one quickly.

A request's own tensor is kept together with a view of its memory, so that the next array of the
same shape is written with one assignment. What is large is shared instead: copying 39 MB takes
longer than many a network.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.networks.tensors import Array

if TYPE_CHECKING:
    import openvino as ov

_SHARED_BYTES = 131_072  # from here on sharing is faster than copying (benchmarks/runtime.py)
_NO_NUMPY = ("bf16", "f8e4m3", "f8e5m2", "i4", "u4", "u1", "u2", "u3", "u6", "nf4", "f4e2m1")


def name(port: "ov.Output | ov.ConstOutput") -> str:
    """The tensor's name; the node's, if nobody gave the tensor one.

    Of several it is one that means something: those that an exporter counts up are numbers, and
    which comes first changes from reading to reading.
    """
    if not port.names:
        return str(port.node.friendly_name)
    if not port.any_name.isdigit():
        return str(port.any_name)
    return str(min(port.names, key=lambda name: (name.isdigit(), name)))


def sizes(port: "ov.Output | ov.ConstOutput") -> tuple[int, ...]:
    """How many elements each axis has, -1 where that is open; nothing where axes are not known."""
    shape = port.partial_shape
    if not shape.rank.is_static:
        return ()
    return tuple(axis.get_length() if axis.is_static else -1 for axis in shape)


def check_shape(port: "ov.Output | ov.ConstOutput", shape: Sequence[int]) -> None:
    """A port takes an array of that shape.

    Raises:
        DataError: it does not.
    """
    import openvino as ov

    wanted = port.partial_shape
    if not wanted.compatible(ov.PartialShape(list(shape))):
        raise DataError(
            f"input {name(port)!r} has the shape {list(shape)}: "
            f"the network wants {wanted.to_string()}"
        )


class Feed:
    """An input of a request.

    Args:
        request: whose input it is.
        index: which of its inputs.
        port: that input of the compiled model.
        may_share: whether large arrays may be used where they lie.

    Attributes:
        name: what it is called.
        shape: of arrays that may be assigned to `view`; None where none may.
        dtype: that arrays must have.
        view: the memory of the request's tensor.
    """

    __slots__ = (
        "_index",
        "_may_share",
        "_own",
        "_port",
        "_request",
        "_shared",
        "dtype",
        "name",
        "shape",
        "view",
    )

    def __init__(
        self, request: "ov.InferRequest", index: int, port: "ov.ConstOutput", *, may_share: bool
    ) -> None:
        self.name = name(port)
        self.dtype: npt.DTypeLike = port.element_type.to_dtype()
        self.shape: tuple[int, ...] | None = None
        self.view: Array = np.empty(0)
        self._request, self._index, self._port = request, index, port
        self._may_share = may_share
        self._own = request.get_input_tensor(index)
        self._shared: Array | None = None  # OpenVINO does not keep it alive

    def put(self, given: Any) -> None:
        """Make this array, or what numpy makes an array of, the input of the next calls.

        Raises:
            DataError: the port does not take its shape, or its type does not hold its values.
        """
        import openvino as ov

        self.shape = None
        array = self._checked(np.asarray(given))
        if self._port.element_type == ov.Type.string:
            self._request.set_input_tensor(self._index, ov.Tensor(array))
        elif self._may_share and array.nbytes >= _SHARED_BYTES and array.flags.writeable:
            self._shared = np.ascontiguousarray(array)
            shared = ov.Tensor(self._shared, shared_memory=True)
            self._request.set_input_tensor(self._index, shared)
        else:
            self._copy(array)

    def _copy(self, array: Array) -> None:
        if self._shared is not None:
            self._request.set_input_tensor(self._index, self._own)
            self._shared = None
        if tuple(self._own.shape) != array.shape:
            self._own.shape = array.shape
        self.view = self._own.data
        self.view[...] = array
        if not self._may_share or array.nbytes < _SHARED_BYTES:
            self.shape = array.shape

    def _checked(self, array: Array) -> Array:
        check_shape(self._port, array.shape)
        kind = self._port.element_type.to_string()
        if kind in _NO_NUMPY:
            raise DataError(f"input {self.name!r} is {kind} in the network: numpy has no such type")
        return array if array.dtype == self.dtype else self._converted(array, kind)

    def _converted(self, array: Array, kind: str) -> Array:
        """The array in the port's type: floats are rounded, integers must hold what they get."""
        if kind == "string":
            if array.dtype.kind in "SU":
                return array
        elif array.dtype.kind in "biuf":
            with np.errstate(invalid="ignore", over="ignore"):
                converted = array.astype(self.dtype)
            if kind.startswith("f") or np.array_equal(converted, array):
                return converted
        raise DataError(
            f"input {self.name!r} is {array.dtype} with values that {kind} does not hold: "
            f"the network wants {kind}"
        )
