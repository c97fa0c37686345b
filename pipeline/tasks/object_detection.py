"""Object detection: a picture in; for each of a number of queries logits and a box out (DETR).

A data set with labels is a folder with pictures and `annotations.json` in COCO's format, whose
categories are called as the model's labels are. The metric is COCO's mean average precision
(pycocotools), of what the model's own image processor makes of the outputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Networks, Tensors, Vector
from pipeline.record import read_json
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _classes, _folders, _images
from pipeline.tasks._classes import Options as Options
from pipeline.tasks._classes import Resolved as Resolved
from pipeline.tasks._classes import resolve as resolve
from pipeline.tasks._images import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._images import Sizes as Sizes
from pipeline.tasks._images import invent as invent
from pipeline.tasks._images import sized as sized

FILES = ()
RUNS_WITH = ()
JUDGED_WITH = ("numpy", "pycocotools", "scipy", "torch", "transformers")
METRICS = {
    **_classes.FIDELITY,
    "label_agreement": _classes.LABEL_AGREEMENT,
    "iou_mean": Metric("higher", gate={32: 0.98, 16: 0.98, 8: 0.9, 4: 0.8}),
    "map": _classes.ON_LABELS,
    "map_50": Metric("higher", labelled=True),
}
_ANNOTATIONS = "annotations.json"
_LOGITS, _BOXES = "logits", "pred_boxes"
_MOST = 100  # detections of a picture that count, as COCO has it
_SIDES = ("xmin", "ymin", "xmax", "ymax")  # of a box that is told, as in transformers' pipeline
_LIKELY = 0.5
_RESAMPLES = 200  # of the interval: precision over all pictures is gathered anew for each


def items(path: Path) -> list[Item]:
    """The pictures of a folder; a label is the picture's size and its objects, in pixels.

    Raises:
        DataError: the annotations are not COCO's, or a picture is not there.
    """
    if not (path / _ANNOTATIONS).is_file():
        return [Item(item.input) for item in _images.items(path)]
    told = read_json(path / _ANNOTATIONS, dict, DataError)
    try:
        names = {category["id"]: str(category["name"]) for category in told["categories"]}
        objects: dict[Any, list[dict[str, Any]]] = {picture["id"]: [] for picture in told["images"]}
        for one in told["annotations"]:
            if one["image_id"] in objects:
                objects[one["image_id"]].append(_object(one, names))
        labels = [
            {"size": [picture["height"], picture["width"]], "objects": objects[picture["id"]]}
            for picture in told["images"]
        ]
        files = [str(picture["file_name"]) for picture in told["images"]]
    except (LookupError, TypeError) as e:
        raise DataError(
            f"{path / _ANNOTATIONS}: {e!r}: want COCO's images, annotations and categories"
        ) from e
    where = str(path / _ANNOTATIONS)
    return [
        Item(_folders.inside(path, file, "a picture", where), label)
        for file, label in zip(files, labels, strict=True)
    ]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """pixel_values of each picture, (1, channels, height, width), and a mask where one is taken.

    Raises:
        DataError: a file is no picture, or an object has a label that the model does not have.
    """
    objects = [Item(None, one["label"]) for i in items if i.label for one in i.label["objects"]]
    _classes.check(objects, options.labels)
    return _images.encode(items, source, model, options)


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """logits, (1, queries, labels), and pred_boxes, (1, queries, 4): centre and size, as shares."""
    outputs = networks[ir.MODEL](inputs)
    return {name: outputs[name] for name in (_LOGITS, _BOXES)}


def answer(outcome: Outcome) -> list[dict[str, Any]]:
    """The objects that are likelier there than not, the likeliest first; boxes in pixels.

    Where there is an output of no object (DETR, YOLOS), that is what is likelier or not; without
    one each label is judged by itself.
    """
    logits, names = outcome.outputs[_LOGITS][0].astype(np.float64), outcome.options.labels
    if logits.shape[1] > len(names):
        shares = _classes.probabilities(logits)
        seen = np.flatnonzero(shares.argmax(axis=1) < len(names))
    else:
        shares = 1 / (1 + np.exp(-logits))
        seen = np.flatnonzero(shares.max(axis=1) > _LIKELY)
    shares = shares[:, : len(names)]
    width, height = _images.picture(outcome.item.input).size
    boxes = _corners(outcome.outputs[_BOXES][0]) * [width, height, width, height]
    found = [
        {
            "label": names[shares[row].argmax()],
            "score": float(shares[row].max()),
            "box": dict(zip(_SIDES, map(float, boxes[row]), strict=True)),
        }
        for row in seen
    ]
    return sorted(found, key=lambda one: -one["score"])


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures; `agreement` and `iou_mean` are of the queries in which the original sees one."""
    yield metrics.max_abs_error(trial.expected, trial.measured)
    yield _classes.label_agreement(trial)
    pairs = list(zip(trial.expected, trial.measured, strict=True))
    apart = [_classes.divergence(a[_LOGITS][0], b[_LOGITS][0]).mean() for a, b in pairs]
    yield Figure(metric="kl_mean", value=float(np.mean(apart)), samples=len(apart))
    seen = [_seen(expected, len(trial.options.labels)) for expected, _ in pairs]
    same = [
        np.mean(a[_LOGITS][0, rows].argmax(1) == b[_LOGITS][0, rows].argmax(1))
        for (a, b), rows in zip(pairs, seen, strict=True)
    ]
    yield Figure(metric="agreement", value=float(np.mean(same)), samples=len(same))
    overlaps = [
        np.mean(_iou(_corners(a[_BOXES][0, rows]), _corners(b[_BOXES][0, rows])))
        for (a, b), rows in zip(pairs, seen, strict=True)
    ]
    yield Figure(metric="iou_mean", value=float(np.mean(overlaps)), samples=len(overlaps))
    if any(item.label is not None for item in trial.items):
        yield from _average_precision(trial)


def _object(annotation: Mapping[str, Any], names: Mapping[Any, str]) -> dict[str, Any]:
    """One object of COCO's."""
    return {
        "label": names[annotation["category_id"]],
        "box": annotation["bbox"],
        "crowd": int(annotation.get("iscrowd", 0)),
    }


def _seen(outputs: Tensors, labels: int) -> Any:
    """The queries whose best output is an object's; where there are none, the one nearest to it."""
    logits = outputs[_LOGITS][0]
    rows = np.flatnonzero(logits.argmax(axis=1) < labels)
    return rows if rows.size else np.array([logits[:, :labels].max(axis=1).argmax()])


def _corners(boxes: Any) -> Vector:
    """Boxes of centre and size as those of two corners."""
    centre, size = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def _iou(first: Vector, second: Vector) -> Vector:
    """Intersection over union of each pair of boxes."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return np.asarray(both / np.maximum(areas[0] + areas[1] - both, np.finfo(float).tiny))


def _average_precision(trial: Trial) -> Iterator[Figure]:
    """COCO's mean average precision, over overlaps from 0.5 to 0.95, and at 0.5."""
    evaluated = [_Evaluated(trial, outputs) for outputs in (trial.expected, trial.measured)]
    pictures = np.arange(len(trial.items), dtype=np.float64)
    rows = [np.stack([np.full_like(pictures, which), pictures], axis=1) for which in (0, 1)]
    for metric, overlaps in (("map", slice(None)), ("map_50", slice(0, 1))):

        def score(given: Vector, _: Vector, overlaps: slice = overlaps) -> float:
            which, chosen = given.astype(int).T
            return evaluated[int(which[0])].precision(chosen, overlaps)

        yield metrics.scored(metric, score, rows[0], rows[1], pictures, resamples=_RESAMPLES)


class _Evaluated:
    """Detections of all pictures, held against their objects by pycocotools, once."""

    def __init__(self, trial: Trial, outputs: Sequence[Tensors]) -> None:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        names = trial.options.labels
        numbers = {name: number for number, name in enumerate(names)}
        truth, found = COCO(), COCO()
        truth.dataset = _coco(
            [
                {
                    "image_id": place,
                    "category_id": numbers[one["label"]],
                    "bbox": one["box"],
                    "iscrowd": one["crowd"],
                }
                for place, item in enumerate(trial.items)
                for one in item.label["objects"]
            ],
            trial.items,
            names,
        )
        found.dataset = _coco(_detections(trial, outputs), trial.items, names)
        with redirect_stdout(None):  # it tells how long each step took
            truth.createIndex()
            found.createIndex()
            self._evaluation = COCOeval(truth, found, "bbox")
            params = self._evaluation.params
            params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]
            params.maxDets = [_MOST]
            self._evaluation.evaluate()
        self._of_pictures = np.array(self._evaluation.evalImgs, object).reshape(len(names), -1)

    def precision(self, pictures: Any, overlaps: slice) -> float:
        """Mean average precision over pictures, of which one may stand several times."""
        evaluation = self._evaluation
        evaluation.evalImgs = list(self._of_pictures[:, pictures].reshape(-1))
        for params in (evaluation.params, evaluation._paramsEval):
            params.imgIds = list(range(len(pictures)))
        with redirect_stdout(None):
            evaluation.accumulate()
        precision = evaluation.eval["precision"][overlaps]
        defined = precision[precision > -1]
        return float(defined.mean()) if defined.size else float("nan")


def _coco(
    annotations: Sequence[dict[str, Any]], items: Sequence[Item], names: Sequence[str]
) -> dict[str, Any]:
    """A data set of pycocotools, in which pictures and labels are called by their place."""
    rows = [
        {"id": number, "iscrowd": 0, "area": one["bbox"][2] * one["bbox"][3], **one}
        for number, one in enumerate(annotations, start=1)
    ]
    return {
        "images": [{"id": place} for place in range(len(items))],
        "categories": [{"id": number} for number in range(len(names))],
        "annotations": rows,
    }


def _detections(trial: Trial, outputs: Sequence[Tensors]) -> list[dict[str, Any]]:
    """What the artifact's image processor makes of outputs, in pixels of the pictures."""
    import torch

    processor = _images.processor_of(trial.folder)
    rows = []
    for place, (item, output) in enumerate(zip(trial.items, outputs, strict=True)):
        tensors = {name: torch.from_numpy(np.asarray(output[name])) for name in (_LOGITS, _BOXES)}
        (found,) = processor.post_process_object_detection(
            SimpleNamespace(**tensors), 0.0, torch.tensor([item.label["size"]])
        )
        each = zip(found["scores"], found["labels"], found["boxes"], strict=True)
        for score, label, (left, top, right, bottom) in each:
            box = [float(side) for side in (left, top, right - left, bottom - top)]
            named = {"image_id": place, "category_id": int(label)}
            rows.append({**named, "bbox": box, "score": float(score)})
    return rows
