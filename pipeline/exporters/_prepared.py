"""What an entry puts around a network: shapes, and pre-processing of raw pictures.

`prepared` does it to the IR, `fed` to the original, so that both are fed the same.
"""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pipeline import preprocess, shaping
from pipeline.errors import ExportError
from pipeline.exporters import _pixels
from pipeline.host import reasons
from pipeline.networks import ports
from pipeline.networks.inputs import PIXELS
from pipeline.networks.tensors import Network, Networks, Tensors
from pipeline.preprocess import Preprocess
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov


def prepared(network: "ov.Model", model: Model) -> "ov.Model":
    """A network with the shapes and the pre-processing that the model's entry wants.

    Args:
        network: may be changed.
        model: its entry; what it says of other names is for another network.

    Raises:
        ExportError: the network cannot have them.
    """
    if model.shapes:
        _reshape(network, model)
    for name, one in _wanted(network, model).items():
        network = _before(network, name, one, model)
    return network


def fed(networks: Networks, model: Model) -> Networks:
    """The original's networks, which now take what those of the artifact take."""
    wanted = model.pictures
    return {n: _Fed(network, wanted) for n, network in networks.items()} if wanted else networks


def inside(networks: "Iterable[ov.Model]", model: Model) -> dict[str, Preprocess]:
    """What lies before the inputs of prepared networks, by the name of the input."""
    found = {}
    for network in networks:
        for name, one in _wanted(network, model).items():
            size = preprocess.sides(ports.sizes(network.input(name)), one.layout)
            found[name] = one.model_copy(update={"size": one.size or size})
    return found


def check_names(names: Collection[str], model: Model) -> None:
    """The inputs that an entry names are there.

    Args:
        names: of the inputs of all its networks.
        model: its entry.

    Raises:
        ExportError: naming the first that is not.
    """
    for field in ("shapes", "preprocess"):
        for name in getattr(model, field) or {}:
            if name and name not in names:
                raise ExportError(
                    f"models.{model.name}.{field}: input {name!r}: have {sorted(names)}"
                )


class _Fed:
    """An original behind the pre-processing that its IR has inside."""

    def __init__(self, network: Network, wanted: dict[str, Preprocess]) -> None:
        self._network, self._wanted = network, wanted
        self.reset = network.reset

    def __call__(self, inputs: Tensors) -> Tensors:
        made = dict(inputs)
        for name, one in self._wanted.items():
            only = [*inputs] if name == shaping.ALL and len(inputs) == 1 else []
            for key in [key for key in (name, PIXELS, *only) if key in inputs][:1]:
                made[key] = _pixels.made(inputs[key], one)
        return self._network(made)


def _wanted(network: "ov.Model", model: Model) -> dict[str, Preprocess]:
    """What is put before each input of a network, by its name.

    Raises:
        ExportError: the entry names none, and there are several.
    """
    names = [ports.name(port) for port in network.inputs]
    wanted = model.pictures
    if shaping.ALL in wanted:
        if len(names) != 1:
            raise ExportError(
                f"models.{model.name}.preprocess: the network takes {names}: want it by the name "
                "of an input"
            )
        return {names[0]: wanted[shaping.ALL]}
    return {name: one for name, one in wanted.items() if name in names}


def _reshape(network: "ov.Model", model: Model) -> None:
    import openvino as ov

    where = f"models.{model.name}.shapes"
    if network.get_sinks():
        raise ExportError(f"{where}: {list(model.shapes or ())}: a network with states: want none")
    wanted = {}
    for port in network.inputs:
        name, shape = ports.name(port), shaping.of(model.shapes, ports.name(port))
        if shape is None:
            continue
        rank = port.partial_shape.rank
        if rank.is_static and rank.get_length() != len(shape):
            raise ExportError(
                f"{where}: {list(shape)}: input {name!r} has {rank.get_length()} axes, "
                f"{port.partial_shape.to_string()}"
            )
        axes = [ov.Dimension(*shaping.bounds(axis)) for axis in shape]
        wanted[name] = ov.PartialShape(axes)
    try:
        network.reshape(wanted)
    except RuntimeError as e:
        shown = {name: shape.to_string() for name, shape in wanted.items()}
        raise ExportError(f"{where}: {shown}: OpenVINO: {reasons.last_line(str(e))}") from e


def _before(network: "ov.Model", name: str, one: Preprocess, model: Model) -> "ov.Model":
    """A network whose input takes raw pictures."""
    import openvino as ov
    from openvino.preprocess import ColorFormat, PrePostProcessor, ResizeAlgorithm

    _check_taken(network.input(name), name, one, model)
    steps = PrePostProcessor(network)
    given = steps.input(name)
    given.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout(one.layout))
    given.tensor().set_color_format(getattr(ColorFormat, one.color_format))
    given.model().set_layout(ov.Layout(one.model_layout))
    pixels = given.preprocess()
    if one.color_format != one.model_color_format:
        pixels.convert_color(getattr(ColorFormat, one.model_color_format))
    if one.resize is None or one.size is None:
        pixels.convert_element_type(ov.Type.f32)
    else:
        given.tensor().set_spatial_dynamic_shape()
        if not one.resize.endswith("_PILLOW"):  # those round to whole numbers, as Pillow does
            pixels.convert_element_type(ov.Type.f32)
        pixels.resize(getattr(ResizeAlgorithm, one.resize), *one.size)
        pixels.convert_element_type(ov.Type.f32)
    if any(one.mean):
        pixels.mean(list(one.mean) if len(one.mean) > 1 else one.mean[0])
    if set(one.scale) != {1.0}:
        pixels.scale(list(one.scale) if len(one.scale) > 1 else one.scale[0])
    try:
        return steps.build()
    except RuntimeError as e:
        where = f"models.{model.name}.preprocess: input {name!r}"
        raise ExportError(f"{where}: OpenVINO: {reasons.last_line(str(e))}") from e


def _check_taken(port: "ov.Output", name: str, one: Preprocess, model: Model) -> None:
    """The network takes pictures as its entry says."""
    shape, layout = port.partial_shape, one.model_layout
    where = f"models.{model.name}.preprocess: input {name!r} is {shape.to_string()}"
    if not shape.rank.is_static or shape.rank.get_length() != len(layout):
        raise ExportError(f"{where}: want pictures, of four axes")
    sides = dict(zip(layout, shape, strict=True))
    if sides["C"].is_static and sides["C"].get_length() != one.channels:
        raise ExportError(
            f"{where}: want {one.channels} channels in model_layout {layout}: or say "
            "model_layout (NCHW, NHWC) and model_color_format (RGB, BGR, GRAY)"
        )
    if one.size and one.resize:
        for side, wanted in zip("HW", one.size, strict=True):
            if sides[side].is_static and sides[side].get_length() != wanted:
                raise ExportError(f"{where}: want size {list(one.size)}, as the entry says")
