"""Semantic segmentation: a picture in, a logit for each label at each place of a coarser grid out.

A data set with labels is a folder with `pictures/NAME.png` and `masks/NAME.png`; a mask is as large
as its picture and holds in each pixel the number of the model's label, or 255 where nobody said.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure
from pipeline.networks import metrics
from pipeline.networks.tensors import Array, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _classes, _images, _model_info
from pipeline.tasks._classes import Options as Options
from pipeline.tasks._classes import Resolved as Resolved
from pipeline.tasks._classes import resolve as resolve
from pipeline.tasks._classes import run as run
from pipeline.tasks._images import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._images import Sizes as Sizes
from pipeline.tasks._images import invent as invent
from pipeline.tasks._images import sized as sized

if TYPE_CHECKING:
    import openvino as ov

EXPORTED_AS = "semantic-segmentation"
FILES = ()
RUNS_WITH = ()
JUDGED_WITH = ("numpy", "openvino", "pillow", "scipy")  # which `finish` writes with, too
METRICS = {
    **_classes.FIDELITY,
    "label_agreement": _classes.LABEL_AGREEMENT,
    "iou_mean": _classes.ON_LABELS,
}
_PICTURES, _MASKS = "pictures", "masks"
_MASK = "mask"  # of an item's inputs, what is right; no network takes it
_UNKNOWN = 255


def finish(network: "ov.Model", model: Model, source: Path) -> "ov.Model":
    """The exported network, which tells OpenVINO's Model API its labels and how it is fed."""
    return _model_info.tell(network, model, source, "Segmentation", _classes.labels(model, source))


def items(path: Path) -> list[Item]:
    """The pictures below a folder, with the names of their masks where there are any.

    Raises:
        DataError: there are no pictures, or one without a mask.
    """
    if not (path / _MASKS).is_dir():
        return [Item(item.input) for item in _images.items(path)]
    pictures = [item.input for item in _images.items(path / _PICTURES)]
    for picture in pictures:
        if not _mask_of(picture).is_file():
            raise DataError(f"{picture}: no mask: want {_mask_of(picture)}")
    return [Item(picture, _mask_of(picture).name) for picture in pictures]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """pixel_values of each picture, (1, channels, height, width), and its mask, (height, width).

    Raises:
        DataError: a file is no picture, or a mask has a label that the model does not have.
    """
    made = _images.encode(items, source, model, options)
    masks = [_mask(item, len(options.labels)) for item in items]
    return [{**pixels, **mask} for pixels, mask in zip(made, masks, strict=True)]


def answer(outcome: Outcome) -> dict[str, Any]:
    """The number of the label of each pixel, (height, width), and the labels that occur."""
    width, height = _images.picture(outcome.item.input).size
    numbers = _enlarged(outcome.outputs, (height, width))
    names = outcome.options.labels
    return {"map": numbers, "labels": {int(n): names[n] for n in np.unique(numbers)}}


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, by pixel; `iou_mean` is over the labels that original data or outputs have."""
    pairs = list(zip(trial.expected, trial.measured, strict=True))
    yield metrics.max_abs_error(trial.expected, trial.measured)
    same = [np.mean(_best(a) == _best(b)) for a, b in pairs]
    yield Figure(metric="agreement", value=float(np.mean(same)), samples=len(same))
    apart = [_classes.divergence(_logits(a), _logits(b)).mean() for a, b in pairs]
    yield Figure(metric="kl_mean", value=float(np.mean(apart)), samples=len(apart))
    yield _classes.label_agreement(trial)
    masks = [inputs[_MASK] for inputs in trial.inputs if _MASK in inputs]
    if masks:
        count = len(trial.options.labels)
        counted = [
            np.stack([_counts(o, m, count) for o, m in zip(outputs, masks, strict=True)])
            for outputs in (trial.expected, trial.measured)
        ]
        every = np.arange(len(masks), dtype=np.float64)
        yield metrics.scored("iou_mean", _iou_mean, counted[0], counted[1], every)


def _mask_of(picture: Path) -> Path:
    return picture.parent.parent / _MASKS / f"{picture.stem}.png"


def _mask(item: Item, count: int) -> dict[str, Array]:
    """The mask of an item that has one, of shape (height, width)."""
    from PIL import Image

    if item.label is None:
        return {}
    path = _mask_of(item.input)
    try:
        with Image.open(path) as image, Image.open(item.input) as picture:
            numbers, sides = np.array(image), (picture.height, picture.width)
    except OSError as e:
        raise DataError(f"{path}: no mask that can be read: {e}") from e
    if numbers.shape != sides:
        raise DataError(f"{path}: shape {numbers.shape}: want {sides}, a number for each pixel")
    wrong = np.setdiff1d(numbers, [*range(count), _UNKNOWN])
    if wrong.size:
        raise DataError(f"{path}: label {wrong[0]}: want 0 to {count - 1}, or {_UNKNOWN} for none")
    return {_MASK: numbers.astype(np.uint8)}


def _logits(outputs: Tensors) -> Vector:
    """Shape (1, labels, height, width)."""
    return outputs["logits"].astype(np.float64)


def _best(outputs: Tensors) -> Any:
    return outputs["logits"][0].argmax(axis=0)


def _counts(outputs: Tensors, mask: Array, count: int) -> Vector:
    """Of a picture, the pixels of each label in both (the first half of a row) and in either."""
    told = mask != _UNKNOWN
    right, found = mask[told].astype(np.int64), _enlarged(outputs, mask.shape)[told]
    both = np.bincount(right[right == found], minlength=count)
    either = np.bincount(right, minlength=count) + np.bincount(found, minlength=count) - both
    return np.concatenate([both, either]).astype(np.float64)


def _enlarged(outputs: Tensors, sides: tuple[int, ...]) -> Any:
    """The best label of each pixel of a picture, as transformers has it: bilinearly enlarged."""
    from PIL import Image

    height, width = sides
    planes = [Image.fromarray(plane) for plane in outputs["logits"][0].astype(np.float32)]
    large = [np.array(p.resize((width, height), Image.Resampling.BILINEAR)) for p in planes]
    return np.stack(large).argmax(axis=0)


def _iou_mean(counts: Vector, _: Vector) -> float:
    """Intersection over union of all pictures, as the mean over the labels that occur."""
    both, either = np.split(counts.sum(axis=0), 2)
    return float(np.mean(both[either > 0] / either[either > 0])) if either.any() else float("nan")
