"""Shapes of what networks take and make: which they are, and static ones instead."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import SpecError
from pipeline.host import reasons
from pipeline.networks import ports

if TYPE_CHECKING:
    import openvino as ov

Shapes = dict[str, list[int]]  # by name; -1 where an axis varies


def of(inputs: "Iterable[ov.Output | ov.ConstOutput]") -> Shapes:
    """The shapes of inputs or outputs whose number of axes is known."""
    return {
        ports.name(port): list(ports.sizes(port))
        for port in inputs
        if port.partial_shape.rank.is_static
    }


def static(asked: Any, names: Sequence[str]) -> Shapes:
    """Shapes by input name, of a dict or of what stands in the order of the inputs.

    Raises:
        SpecError: an input is unknown, or a shape is none.
    """
    if not isinstance(asked, Mapping):
        whole = asked if asked and isinstance(asked[0], list | tuple) else [asked]
        asked = dict(zip(names, whole, strict=False))
    if unknown := sorted(set(asked) - set(names)):
        raise SpecError(f"input_shapes: {unknown[0]!r}: the inputs are {list(names)}")
    for name, shape in asked.items():
        if not all(type(size) is int and (size > 0 or size == -1) for size in shape):
            raise SpecError(f"input_shapes: {name}: {shape!r}: want sizes, as [1, 128]")
    return {name: list(shape) for name, shape in asked.items()}


def reshape(network: "ov.Model", wanted: Shapes) -> None:
    """Give inputs of a network these shapes.

    Raises:
        SpecError: it cannot have them.
    """
    import openvino as ov

    try:
        if wanted:
            network.reshape({name: ov.PartialShape(shape) for name, shape in wanted.items()})
    except RuntimeError as e:
        raise SpecError(f"input_shapes: {wanted}: {reasons.last_line(str(e))}") from e


def shaped(network: "ov.Model", asked: Any) -> "ov.Model":
    """A network with the shapes that were asked for, of which it may have some or none.

    Raises:
        SpecError: it cannot have them.
    """
    if asked:
        reshape(network, static(asked, [ports.name(port) for port in network.inputs]))
    return network
