"""Pictures: data sets of them, and the tensors that a model's own processor makes.

A data set is a folder of pictures, each in a folder with the name of its label; pictures that lie
in no folder have none.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.errors import DataError, ExportError
from pipeline.networks.inputs import PIXELS as PIXELS
from pipeline.networks.tensors import Array, Tensors
from pipeline.preprocess import Preprocess
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Item, _folders

TOOLCHAIN = ("numpy", "pillow", "transformers")
_MASK = "pixel_mask"  # of models that take pictures of several sizes at once: 1 where there is one
_PROCESSOR = "preprocessor_config.json"
_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_NOISE = (8, 224)  # fields of one colour, and pixels, of the sides of an invented picture


class Sizes(Record):
    """What of an input a benchmark may vary.

    Args:
        batch: pictures at once.
        height: pixels; by default what the model's processor makes, or what a network that resizes
            resizes to.
        width: the same.
    """

    batch: int = Field(default=1, ge=1, le=100_000)
    height: int | None = Field(default=None, ge=1, le=100_000)
    width: int | None = Field(default=None, ge=1, le=100_000)


def items(path: Path) -> list[Item]:
    """The pictures below a folder, in the order of their paths.

    Raises:
        DataError: there are none, or some with a label and some without.
    """
    return _folders.labelled(path, _ENDINGS, "pictures")


def invent(source: Path, model: Model, options: Any, count: int, seed: int) -> list[Item]:
    """Seeds of pictures without meaning."""
    return [Item(seed * count + number) for number in range(count)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Any) -> list[Tensors]:
    """What the model's processor makes of each picture, of shape (1, channels, height, width).

    Of a network that does so itself, the pixels as they are, of uint8: (1, height, width, channels)
    where its entry says nothing else.

    Raises:
        DataError: a file is no picture, or not as large as it must be.
    """
    if inside := _inside(model):
        return [{PIXELS: _raw(item.input, inside)[None]} for item in items]
    process = processor_of(source)
    return [dict(process(picture(item.input), return_tensors="np")) for item in items]


def sized(source: Path, model: Model, options: Any, sizes: Sizes) -> Tensors:
    """Noise as the processor would make it, of shape (batch, channels, height, width)."""
    if inside := _inside(model):
        return {PIXELS: _raw_noise(inside, sizes)}
    one = processor_of(source)(picture(0), return_tensors="np")
    _, channels, height, width = one[PIXELS].shape
    batch, height, width = sizes.batch, sizes.height or height, sizes.width or width
    noise = np.random.default_rng(0)
    made = {PIXELS: noise.standard_normal((batch, channels, height, width), dtype=np.float32)}
    return made | ({_MASK: np.ones((batch, height, width), np.int64)} if _MASK in one else {})


def _inside(model: Model) -> Preprocess | None:
    """What a network does to raw pictures itself, if it does."""
    every = model.pictures
    return every.get(PIXELS) or next(iter(every.values()), None)


def _raw(given: Any, inside: Preprocess) -> Array:
    """The pixels of a picture as a network takes them.

    Raises:
        DataError: it is no picture, or has another size than must be.
    """
    found = picture(given)
    if inside.size and not inside.resize:
        if isinstance(given, int):
            found = found.resize(inside.size[::-1])
        if found.size != inside.size[::-1]:
            raise DataError(
                f"{getattr(given, 'name', 'a picture')}: {found.height} x {found.width} pixels: "
                "want {} x {}: preprocess has no resize".format(*inside.size)
            )
    pixels = np.array(found.convert("L") if inside.is_grey else found)
    pixels = pixels[..., None] if inside.is_grey else pixels
    pixels = pixels[..., ::-1] if inside.color_format == "BGR" else pixels
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if inside.layout == "NCHW" else pixels)


def _raw_noise(inside: Preprocess, sizes: Sizes) -> Array:
    height, width = inside.size or (_NOISE[1], _NOISE[1])
    sides = {"N": sizes.batch, "H": sizes.height or height, "W": sizes.width or width}
    shape = [(sides | {"C": 1 if inside.is_grey else 3})[axis] for axis in inside.layout]
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def processor_of(source: Path) -> Any:
    """A repository's image processor: the one of transformers that calls Pillow.

    The one that calls torchvision makes other values of the same picture.

    Raises:
        ExportError: there is none.
    """
    if not (source / _PROCESSOR).is_file():
        raise ExportError(
            f"no {_PROCESSOR}: want preprocess: in the model's entry, which says how a picture "
            "becomes an input (docs/shapes.md)"
        )
    named = _named(source)
    stem = named.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast")
    for name in (f"{stem.removesuffix('Pil')}Pil", stem):  # of some there is one, without ending
        kind = _class(name)
        if kind and hasattr(kind, "preprocess"):
            return kind.from_pretrained(source, local_files_only=True)
    raise ExportError(f"{_PROCESSOR}: {named!r}: transformers has none that calls Pillow")


def _class(name: str) -> Any:
    """A class of transformers, or None.

    Some that call Pillow are hidden where torchvision is not there, because they call that for
    masks (SegFormer's, SAM's): those are taken from where they lie.
    """
    import transformers

    kind = getattr(transformers, name, None)
    if not getattr(kind, "is_dummy", False):
        return kind
    folder = name.lower().partition("imageprocessor")[0]
    module = f"transformers.models.{folder}.image_processing_pil_{folder}"
    if importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name, None)


def _named(source: Path) -> str:
    """The class of a repository's image processor; old ones leave that to the model's type."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    said = read_json(source / _PROCESSOR, dict, ExportError)
    kind = read_json(source / "config.json", dict, ExportError).get("model_type")
    of_model = IMAGE_PROCESSOR_MAPPING_NAMES.get(str(kind)) or {}
    named = said.get("image_processor_type") or said.get("feature_extractor_type")
    if not said or not (named or of_model):
        raise ExportError(f"{_PROCESSOR}: names no image processor: want its image_processor_type")
    return str(named or of_model.get("pil"))


def only(outputs: Tensors, name: str) -> Array:
    """The output of a name, or the only one, whatever it is called.

    Raises:
        DataError: there are several, and none of that name.
    """
    if name in outputs or len(outputs) == 1:
        return np.asarray(outputs.get(name, next(iter(outputs.values()))))
    raise DataError(f"outputs {sorted(outputs)}: want one of them to be called {name!r}")


def picture(given: Any) -> Any:
    """A picture as RGB: of Pillow, of a file, or made of a seed: fields of colour under noise."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(given, Image.Image):
        return given.convert("RGB")
    if isinstance(given, int):
        drawn, (fields, side) = np.random.default_rng(given), _NOISE
        coarse = drawn.integers(0, 256, (fields, fields, 3)).repeat(side // fields, 0)
        fine = drawn.integers(-32, 33, (side, side, 3))
        pixels = np.clip(coarse.repeat(side // fields, 1) + fine, 0, 255)
        return Image.fromarray(pixels.astype(np.uint8))
    try:
        return Image.open(given).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as e:
        raise DataError(f"{given.name}: no picture that can be read: {e}") from e
