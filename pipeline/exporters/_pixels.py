"""Pictures as users of an original make its inputs, with Pillow and NumPy.

It is what the pre-processing in an IR is held against. OpenVINO's names of what Pillow does not do
mean what they mean there: without smoothing, pixels have their places at their centres, and results
are no whole numbers. So do OpenCV, TensorFlow and PyTorch where nobody asks for antialiasing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipeline.networks.tensors import Array
from pipeline.preprocess import Preprocess, Resize

_CUBIC = -0.75  # of OpenCV, PyTorch and OpenVINO; Pillow has -0.5


def made(pictures: Array, wanted: Preprocess) -> Array:
    """What a network takes of raw pictures, of float32 in the network's layout.

    Args:
        pictures: of uint8, of shape (pictures, height, width, channels) or as `wanted` says.
        wanted: with the size that they get, where they are resized.
    """
    if wanted.layout == "NCHW":
        pictures = pictures.transpose(0, 2, 3, 1)
    pixels = np.stack([_resized(_coloured(one, wanted), wanted) for one in pictures])
    mean, scale = (np.array(values, np.float32) for values in (wanted.mean, wanted.scale))
    normalized = (pixels.astype(np.float32) - mean) / scale
    return normalized.transpose(0, 3, 1, 2) if wanted.model_layout == "NCHW" else normalized


def _coloured(picture: Array, wanted: Preprocess) -> Array:
    """The picture with the channels that the network takes, of shape (height, width, channels)."""
    from PIL import Image

    if wanted.color_format == wanted.model_color_format:
        return picture
    if wanted.model_color_format == "GRAY":
        rgb = picture if wanted.color_format == "RGB" else picture[..., ::-1]
        return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).convert("L"))[..., None]
    return picture[..., ::-1]


def _resized(picture: Array, wanted: Preprocess) -> Array:
    """The picture with the size that the network wants, where it is to be brought there."""
    if wanted.resize is None or wanted.size is None:
        return picture
    return _RESIZED[wanted.resize](picture, wanted.size)


def _by_pillow(name: str) -> Callable[[Array, tuple[int, int]], Array]:
    def resized(picture: Array, size: tuple[int, int]) -> Array:
        from PIL import Image

        how: Any = getattr(Image.Resampling, name)
        channels = [
            Image.fromarray(np.ascontiguousarray(one)) for one in np.moveaxis(picture, 2, 0)
        ]
        return np.stack([np.asarray(one.resize(size[::-1], how)) for one in channels], axis=2)

    return resized


def _between(weights: Mapping[int, Callable[[Array], Array]]) -> Callable[..., Array]:
    """Sums of pixels around each place, along one side and then the other.

    Args:
        weights: of the pixel so many before or behind, by the place between two pixels (0 to 1).
    """

    def resized(picture: Array, size: tuple[int, int]) -> Array:
        made: Any = picture.astype(np.float32)
        for axis, wanted in enumerate(size):
            there = made.shape[axis]
            places = (np.arange(wanted) + 0.5) * there / wanted - 0.5
            before = np.floor(places).astype(int)
            parts = [
                np.take(made, np.clip(before + step, 0, there - 1), axis)
                * _along(weigh((places - before).astype(np.float32)), axis)
                for step, weigh in weights.items()
            ]
            made = np.sum(parts, axis=0, dtype=np.float32)
        return np.asarray(made)

    return resized


def _along(values: Array, axis: int) -> Array:
    return values.reshape([-1 if place == axis else 1 for place in range(3)])


def _near(distance: Any) -> Array:
    """The weight of the two pixels around a place, of cubic convolution (Keys 1981)."""
    return np.asarray((_CUBIC + 2) * distance**3 - (_CUBIC + 3) * distance**2 + 1)


def _far(distance: Any) -> Array:
    """That of the next two."""
    a = _CUBIC
    return np.asarray(a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a)


_RESIZED: dict[Resize, Callable[[Array, tuple[int, int]], Array]] = {
    "RESIZE_BILINEAR_PILLOW": _by_pillow("BILINEAR"),
    "RESIZE_BICUBIC_PILLOW": _by_pillow("BICUBIC"),
    "RESIZE_NEAREST": _by_pillow("NEAREST"),
    "RESIZE_LINEAR": _between({0: lambda t: 1 - t, 1: lambda t: t}),
    "RESIZE_CUBIC": _between(
        {
            -1: lambda t: _far(1 + t),
            0: _near,
            1: lambda t: _near(1 - t),
            2: lambda t: _far(2 - t),
        }
    ),
}
