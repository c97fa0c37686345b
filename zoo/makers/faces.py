"""Pictures with one face, and pictures with none, 128 x 128 and from -1 to 1.

Faces are those of scikit-image: of an astronaut, cut out in many ways, and 25 x 25 pixels each of
Labeled Faces in the Wild, on a plain ground. The others are cut out of its photographs, or of the
part of the same collection that shows none.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.networks.tensors import Array
from zoo.makers import SITE

SIDE, EACH = 128, 40
DATA = SITE / "skimage" / "data"
FACE = (180, 70, 270, 180)  # of astronaut.png: left, top, right, bottom
NONE = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


def make(out: Path) -> None:
    """Write validation.npz and calibration.npz: each a half of all pictures."""
    drawn = np.random.default_rng(0)
    collected = np.load(DATA / "lfw_subset.npy")
    small = [(_placed(one, drawn), int(number < 100)) for number, one in enumerate(collected)]
    person = _opened("astronaut.png")
    large = [(_around(person, drawn), 1) for _ in range(EACH)]
    others = [_opened(name) for name in NONE]
    large += [(_anywhere(others[number % len(NONE)], drawn), 0) for number in range(EACH)]
    for part, first in (("validation", 0), ("calibration", 1)):
        chosen = [*small[first::2][::2], *large[first::2]]
        pictures = np.stack([_fed(picture) for picture, _ in chosen])
        np.savez(out / f"{part}.npz", input=pictures, labels=[label for _, label in chosen])


def _opened(name: str) -> Image.Image:
    return Image.open(DATA / name).convert("RGB")


def _placed(pixels: Array, drawn: np.random.Generator) -> Image.Image:
    """A small gray picture on a plain ground, at some size and place."""
    size = int(drawn.integers(56, 90))
    gray = Image.fromarray((np.asarray(pixels, np.float64) * 255).astype(np.uint8), "L")
    ground = Image.new("RGB", (SIDE, SIDE), (int(np.mean(pixels) * 255),) * 3)
    at = tuple(int(drawn.integers(0, SIDE - size)) for _ in range(2))
    ground.paste(gray.resize((size, size), Image.Resampling.BICUBIC), (at[0], at[1]))
    return ground


def _around(picture: Image.Image, drawn: np.random.Generator) -> Image.Image:
    """A square that holds the face."""
    side = int(drawn.integers(140, 380))
    left = int(drawn.integers(max(0, FACE[2] - side), FACE[0] + 1))
    top = int(drawn.integers(max(0, FACE[3] - side), FACE[1] + 1))
    return _square(picture, left, top, side)


def _anywhere(picture: Image.Image, drawn: np.random.Generator) -> Image.Image:
    side = int(drawn.integers(100, min(picture.size)))
    left, top = (int(drawn.integers(0, whole - side)) for whole in picture.size)
    return _square(picture, left, top, side)


def _square(picture: Image.Image, left: int, top: int, side: int) -> Image.Image:
    return picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))


def _fed(picture: Image.Image) -> Array:
    return (np.asarray(picture, np.float32) / 127.5 - 1).astype(np.float32)
