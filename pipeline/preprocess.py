"""What an IR does to pictures before its network sees them: a consumer feeds raw ones, of uint8."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline import shaping
from pipeline.record import Record
from pipeline.shaping import Shape

Layout = Literal["NHWC", "NCHW"]
Color = Literal["RGB", "BGR", "GRAY"]
Resize = Literal[
    "RESIZE_BILINEAR_PILLOW",
    "RESIZE_BICUBIC_PILLOW",
    "RESIZE_LINEAR",
    "RESIZE_CUBIC",
    "RESIZE_NEAREST",
]


def _of_bytes(scale: float) -> float:
    """A divisor of pixels from 0 to 255.

    Raises:
        ValueError: it is one of pixels from 0 to 1.
    """
    if scale < 1:
        raise ValueError(
            f"pixels are 0 to 255 here: want {scale * 255:g} (255 times that), and of mean as well"
        )
    return scale


def _several(given: object) -> object:
    """One number is that of every channel."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _pair(given: object) -> object:
    return tuple(given) if isinstance(given, list) else given


Divisor = Annotated[float, Field(gt=0), AfterValidator(_of_bytes)]
Side = Annotated[int, Field(ge=1)]


class Preprocess(Record):
    """What openvino.preprocess puts between a raw picture and one of a network's inputs.

    In this order: colours, size, mean, scale, layout. Mean and scale are in units of 0 to 255, as
    PrePostProcessor and OpenVINO's Model API have them: where a model's card says mean 0.485 and
    std 0.229 of pixels from 0 to 1, it is 123.675 and 58.395 here, 255 times as much.

    Args:
        layout: of what is fed.
        color_format: of what is fed.
        resize: how a picture of any height and width becomes as large as the network wants it, by
            the name that OpenVINO's ResizeAlgorithm has for it; without it nothing is resized, and
            a picture must be that large.
        size: the height and width that the network wants; by default what `shapes:` say, or
            `inputs:`.
        mean: what is subtracted from each channel, or from all, in the order of the network's.
        scale: what each channel is divided by, or all, after that.
        model_layout: of what the network takes.
        model_color_format: of what the network takes.
    """

    layout: Layout = "NHWC"
    color_format: Color = "RGB"
    resize: Resize | None = None
    size: Annotated[tuple[Side, Side] | None, BeforeValidator(_pair)] = None
    mean: Annotated[tuple[float, ...], BeforeValidator(_several)] = (0.0,)
    scale: Annotated[tuple[Divisor, ...], BeforeValidator(_several)] = (1.0,)
    model_layout: Layout = "NCHW"
    model_color_format: Color = "RGB"

    @property
    def is_grey(self) -> bool:
        """Whether what is fed has one channel."""
        return self.color_format == "GRAY"

    @property
    def channels(self) -> int:
        """How many channels the network takes."""
        return 1 if self.model_color_format == "GRAY" else 3


def _by_input(given: object) -> object:
    """What names no input is for the only one."""
    if isinstance(given, dict) and (not given or given.keys() & Preprocess.model_fields.keys()):
        return {shaping.ALL: given}
    return given


Preprocesses = Annotated[dict[str, Preprocess] | None, BeforeValidator(_by_input)]


def resolved(
    given: Mapping[str, Preprocess] | None, shapes: Mapping[str, Shape]
) -> dict[str, Preprocess]:
    """By input name what is put in front of it, with the size that its shape says."""
    return {name: _sized(one, shaping.of(shapes, name)) for name, one in (given or {}).items()}


def _sized(one: Preprocess, shape: Shape | None) -> Preprocess:
    size = sides(shape, one.model_layout)
    return one.model_copy(update={"size": size}) if size and not one.size else one


def sides(shape: Shape | None, layout: Layout) -> tuple[int, int] | None:
    """The height and width of what has a shape, if it is static there."""
    if shape is None or len(shape) != len(layout):
        return None
    height, width = (shaping.static(shape, layout.index(axis)) for axis in "HW")
    return (height, width) if height and width else None


def problem(resolved: Mapping[str, Preprocess], shapes: Mapping[str, Shape]) -> str:
    """What is wrong with the pre-processing of an entry: a key and the reason, or nothing."""
    for name, one in resolved.items():
        if said := _misfit(one, sides(shaping.of(shapes, name), one.model_layout)):
            return f"{name}.{said}" if name else said
    return ""


def _misfit(one: Preprocess, shape: tuple[int, int] | None) -> str:
    if one.resize and not one.size:
        return f"resize: {one.resize!r}: want size: [height, width] beside it, or shapes"
    if one.size and shape and one.size != shape:
        return f"size: {list(one.size)}: shapes say {list(shape)}"
    if one.is_grey and one.channels != 1:
        return f"color_format: 'GRAY': the network takes {one.model_color_format}"
    for field in ("mean", "scale"):
        values = getattr(one, field)
        if len(values) not in (1, one.channels):
            want = f"one number, or one for each channel, of which there are {one.channels}"
            return f"{field}: {list(values)}: want {want}"
    return ""
