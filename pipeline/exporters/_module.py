"""A module of PyTorch as a network: what it takes and gives has names."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipeline.errors import ExportError
from pipeline.exporters import _program
from pipeline.host import reasons
from pipeline.networks.tensors import Tensors


class Original:
    """A module as a network: inputs and outputs have names.

    Args:
        module: in evaluation mode.
        arguments: the argument of its `forward` that each input is.
        where: the model, for messages.
        numbers: the arguments that are no tensors, but numbers of Python.
    """

    def __init__(
        self,
        module: Any,
        arguments: Mapping[str, str],
        where: str,
        numbers: Collection[str] = (),
    ) -> None:
        self._module, self._arguments, self._where = module, arguments, where
        self._numbers = numbers

    def __call__(self, inputs: Tensors) -> Tensors:
        import torch

        given = _program.tensors({self._arguments[name]: inputs[name] for name in self._arguments})
        given |= {name: given[name].item() for name in self._numbers}
        with torch.inference_mode():
            return {name: t.numpy() for name, t in named(self._module(**given), self._where)}

    def reset(self) -> None:
        """Nothing stays between calls."""


def register(module: Any, given: Tensors, where: str) -> None:
    """Let torch.export look into what a module returns, where that is a dataclass.

    Raises:
        ExportError: it cannot be taken apart and put together again.
    """
    import torch

    with torch.inference_mode():
        outputs = module(**_program.tensors(given))
    if dataclasses.is_dataclass(outputs) and not isinstance(outputs, Mapping):
        try:
            torch.export.register_dataclass(type(outputs))
        except _program.GIVEN_UP as e:
            raise ExportError(f"{where}: torch.export: {reasons.said(e)}") from e


def named(outputs: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Each tensor that a module returns, and its name.

    Keys of a mapping and fields of a dataclass or named tuple are names; else it is `output`, or
    `output_0` and so on. What lies deeper has a dot: `hidden.1`.

    Raises:
        ExportError: something in it is no tensor.
    """
    import torch

    if isinstance(outputs, torch.Tensor):
        yield "output", outputs
        return
    fields = _fields(outputs)
    if fields is None and isinstance(outputs, list | tuple):
        fields = {f"output_{index}": value for index, value in enumerate(outputs)}
    if fields is None:
        raise ExportError(f"{where}: returns {type(outputs).__name__}: want tensors")
    for name, value in fields.items():
        yield from _tensors(str(name), value, where)


def _fields(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value._asdict() if hasattr(value, "_asdict") else None


def _tensors(name: str, value: Any, where: str) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(value, torch.Tensor):
        yield name, value
    elif value is not None:
        inner = _fields(value)
        if inner is None and isinstance(value, list | tuple):
            inner = dict(enumerate(value))
        if inner is None:
            raise ExportError(f"{where}: output {name!r} is {type(value).__name__}: want a tensor")
        for key, part in inner.items():
            yield from _tensors(f"{name}.{key}", part, where)
