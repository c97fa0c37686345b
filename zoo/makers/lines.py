"""Lines of text as pictures, drawn with Pillow's own font (Aileron): what is read is known.

rec-*.npz holds lines 48 pixels high with their texts, cls-*.npz the same lines upright (0) or
upside down (1), det-*.npz pages with the box of each line. All is fed as rapidocr feeds it:
(v / 255 - 0.5) / 0.5, with zeros where a line has ended.
The texts are those of data/: judged ones of prose.txt, others of topics-calibration.txt.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.networks.tensors import Array
from zoo.makers import ROOT

HEIGHT, WIDTH = 48, 480  # of a line
PAGE = (320, 480)
LETTERS = 28  # of a line, at most
JUDGED, CALIBRATED, PAGES = 60, 60, 12
_NOISE = 12.0  # of 255, its standard deviation


class Line(NamedTuple):
    """A text and the picture of it, of shape (height, width) from 0 to 255."""

    text: str
    pixels: Array


def make(out: Path) -> None:
    """Write all six."""
    for part, name, count in (
        ("validation", "prose.txt", JUDGED),
        ("calibration", "topics-calibration.txt", CALIBRATED),
    ):
        texts = list(_texts(ROOT / "data" / name))[:count]
        lines = [_line(text, seed) for seed, text in enumerate(texts)]
        fed = [_fed(line.pixels, WIDTH) for line in lines]
        np.savez(out / f"rec-{part}.npz", x=np.stack(fed), labels=texts)
        turned = [
            line.pixels[::-1, ::-1] if seed % 2 else line.pixels for seed, line in enumerate(lines)
        ]
        labels = [seed % 2 for seed in range(count)]
        np.savez(
            out / f"cls-{part}.npz", x=np.stack([_fed(one, 192) for one in turned]), labels=labels
        )
        pages, boxes = zip(*(_page(texts[seed:], seed) for seed in range(PAGES)), strict=True)
        np.savez(out / f"det-{part}.npz", x=np.stack(pages), labels=np.array(boxes))


def _texts(path: Path) -> Iterator[str]:
    """Pieces of whole words, short enough for a line."""
    line = ""
    for word in path.read_text(encoding="utf-8").split():
        if line and len(line) + 1 + len(word) > LETTERS:
            yield line
            line = ""
        line = f"{line} {word}".strip()


def _line(text: str, seed: int) -> Line:
    """Dark on light or light on dark, of some size, turned a little, and with noise."""
    drawn = random.Random(seed)  # noqa: S311 - nothing secret
    font = ImageFont.load_default(drawn.randint(24, 34))
    left, top, right, bottom = font.getbbox(text)
    width = round(right - left) + 24
    ground, ink = drawn.choice(((235, 30), (200, 60), (40, 220)))
    picture = Image.new("L", (width, HEIGHT), ground)
    place = (12 - left, (HEIGHT - (bottom - top)) / 2 - top)
    ImageDraw.Draw(picture).text(place, text, fill=ink, font=font)
    turned = picture.rotate(drawn.uniform(-0.6, 0.6), Image.Resampling.BICUBIC, fillcolor=ground)
    return Line(text, _noisy(np.asarray(turned, np.float32), seed))


def _noisy(pixels: Array, seed: int) -> Array:
    noise = np.random.default_rng(seed).normal(0, _NOISE, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.float32)


def _fed(pixels: Array, width: int) -> Array:
    """Of shape (3, height, width), filled up with zeros, which are gray."""
    fed = np.zeros((3, HEIGHT, width), np.float32)
    cut = pixels[:, :width]
    fed[:, :, : cut.shape[1]] = (cut / 255 - 0.5) / 0.5
    return fed


def _page(texts: Sequence[str], seed: int) -> tuple[Array, list[tuple[int, int, int, int]]]:
    """A page with four lines, and the box of each: left, top, right, bottom."""
    drawn = random.Random(1000 + seed)  # noqa: S311 - nothing secret
    height, width = PAGE
    page, boxes = Image.new("L", (width, height), drawn.choice((240, 215))), []
    for number, text in enumerate(texts[:4]):
        font = ImageFont.load_default(drawn.randint(18, 28))
        at = (drawn.randint(5, 40), 15 + 75 * number + drawn.randint(0, 30))
        ImageDraw.Draw(page).text(at, text, fill=drawn.randint(0, 70), font=font)
        left, top, right, bottom = ImageDraw.Draw(page).textbbox(at, text, font=font)
        boxes.append((round(left), round(top), round(right), round(bottom)))
    pixels = (_noisy(np.asarray(page, np.float32), seed) / 255 - 0.5) / 0.5
    return np.repeat(pixels[None], 3, axis=0).astype(np.float32), boxes
