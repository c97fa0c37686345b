"""The 20 ImageNet pictures of foolbox, with their labels; and 12 that are none of them.

Those are the photographs of scikit-image and scikit-learn, for calibration; seen.npz holds 12 of
the judged ones, to show what goes wrong with them. All are cut as EfficientNet-lite is fed: the
shorter side to 256, the middle 224 x 224, (v - 127) / 128.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.networks.tensors import Array
from zoo.makers import SITE

SIDE, SHORTER, MEAN, SCALE = 224, 256, 127, 128
PHOTOGRAPHS = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
    "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg",
)  # fmt: skip


def make(out: Path) -> None:
    """Write validation.npz, calibration.npz and seen.npz."""
    judged = sorted((SITE / "foolbox" / "data").glob("imagenet_*.jpg"))
    labels = [int(path.stem.rpartition("_")[2]) for path in judged]
    np.savez(out / "validation.npz", inputs=_fed(judged), labels=labels)
    np.savez(out / "calibration.npz", inputs=_fed(_others()))
    np.savez(out / "seen.npz", inputs=_fed(judged[:12]))


def _others() -> list[Path]:
    """The photographs of scikit-image, and the two of scikit-learn."""
    found = find_spec("sklearn")
    assert found is not None  # noqa: S101 - it is in requirements.lock
    assert found.origin is not None  # noqa: S101
    learn = Path(found.origin).parent / "datasets" / "images"
    ours = [SITE / "skimage" / "data" / name for name in PHOTOGRAPHS]
    return [*ours, learn / "china.jpg", learn / "flower.jpg"]


def _fed(paths: list[Path]) -> Array:
    return np.stack([_cut(path) for path in paths])


def _cut(path: Path) -> Array:
    picture = Image.open(path).convert("RGB")
    scale = SHORTER / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    whole = picture.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(whole.crop((left, top, left + SIDE, top + SIDE)), np.float32)
    return np.ascontiguousarray(((pixels - MEAN) / SCALE).transpose(2, 0, 1))
