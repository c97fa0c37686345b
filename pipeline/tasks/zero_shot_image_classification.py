"""Zero-shot image classification (CLIP, SigLIP): which of several texts a picture goes with.

A data set is a folder LABEL/NAME.png, as of image-classification. The texts are the labels put into
a template, all of them for every picture.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.inputs import TOKENS
from pipeline.networks.tensors import Networks, Tensors, Vector
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, Trial, _classes, _images, _texts, _transformer
from pipeline.tasks._images import items as items
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH

TOOLCHAIN = tuple(sorted({*_texts.TOOLCHAIN, *_images.TOOLCHAIN}))
RUNS_WITH = ()
_COSINE = Metric("higher", gate={32: 0.999, 16: 0.999, 8: 0.98, 4: 0.9})
METRICS = {
    **_classes.FIDELITY,
    "image_cosine_mean": _COSINE,
    "text_cosine_mean": _COSINE,
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
    "accuracy": _classes.ON_LABELS,
}
_LOGITS, _IMAGE, _TEXT = "logits_per_image", "image_embeds", "text_embeds"
_LENGTHS = "text_lengths"  # tokens of each text without padding; no network takes it
_PADDED = ("siglip", "siglip2")  # trained on texts of the full length
_INVENTED = 8  # texts to choose from, for a model without data


class Sizes(_images.Sizes):
    """What of an input a benchmark may vary.

    Args:
        texts: to choose from.
    """

    texts: int = Field(default=_INVENTED, ge=1, le=100_000)


class Options(Record):
    """`options:` of a model.

    Args:
        template: what a label is put into; by default that of transformers' pipeline.
        labels: to choose from; by default the names of the folders of a data set.
    """

    template: str = Field(default="This is a photo of {}.", pattern=r"^[^{}]*\{\}[^{}]*$")
    labels: tuple[str, ...] = ()


class Resolved(Options):
    """What decides an output beside the weights.

    Args:
        max_length: tokens after which a text is cut.
        padding: how far texts are filled up.
    """

    max_length: int
    padding: Literal["longest", "max_length"]

    @property
    def prefix(self) -> str:
        """Nothing goes before a text."""
        return ""


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: the repository says what cannot be.
    """
    kind = read_json(source / "config.json", dict, ExportError).get("model_type")
    resolved = Options.from_dict(model.options).to_dict() | {
        "max_length": _transformer.length(model, None, source),
        "padding": "max_length" if kind in _PADDED else "longest",
    }
    return Resolved.from_dict(resolved, f"models.{model.name}: its repository", ExportError), []


def invent(source: Path, model: Model, options: Resolved, count: int, seed: int) -> list[Item]:
    """Seeds of pictures without meaning; each with the texts, if the options name no labels."""
    texts = [] if options.labels else _texts.invent(source, model, options, _INVENTED, seed)
    pictures = _images.invent(source, model, options, count, seed)
    return [Item((picture.input, *_texts.flat(texts))) for picture in pictures]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """pixel_values of each picture, (1, channels, height, width), and all texts (texts, tokens).

    Raises:
        DataError: there is nothing to choose from, or a file is no picture.
    """
    _classes.check(items, _labels(items, options))
    texts = _tokens(_candidates(items, options), source, model, options)
    pictures = [Item(_picture(item)) for item in items]
    return [{**texts, **pixels} for pixels in _images.encode(pictures, source, model, options)]


def sized(source: Path, model: Model, options: Resolved, sizes: Sizes) -> Tensors:
    """Noise and texts of no meaning, as long as the longest of them."""
    texts = _texts.flat(_texts.invent(source, model, options, sizes.texts, 0))
    return {
        **_tokens(texts, source, model, options),
        **_images.sized(source, model, options, sizes),
    }


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """logits_per_image, of shape (1, texts), and the vectors of the picture and of each text."""
    outputs = networks[ir.MODEL](inputs)
    return {name: outputs[name] for name in (_LOGITS, _IMAGE, _TEXT)}


def answer(outcome: Outcome) -> list[dict[str, Any]]:
    """The labels with their scores, the best first.

    Of CLIP the scores are shares of 1; SigLIP was trained to judge each label by itself.
    """
    logits, names = outcome.outputs[_LOGITS][0], _labels([outcome.item], outcome.options)
    if outcome.options.padding == "max_length":
        return _classes.scored(names, 1 / (1 + np.exp(-logits.astype(np.float64))))
    return _classes.scored(names, _classes.probabilities(logits))


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of logits, vectors and tokenizer."""
    yield metrics.max_abs_error(trial.expected, trial.measured)
    expected, measured = _all(trial.expected, _LOGITS), _all(trial.measured, _LOGITS)
    same = expected.argmax(axis=1) == measured.argmax(axis=1)
    yield Figure(metric="agreement", value=float(same.mean()), samples=len(same))
    apart = _classes.divergence(expected, measured)
    yield Figure(metric="kl_mean", value=float(apart.mean()), samples=len(apart))
    # The texts are the same for every picture.
    yield _cosine("image_cosine_mean", _IMAGE, trial.expected, trial.measured)
    yield _cosine("text_cosine_mean", _TEXT, trial.expected[:1], trial.measured[:1])
    yield from _texts.tokenizer_agreement(_of_texts(trial))
    truth = [item.label for item in trial.items if item.label is not None]
    if truth:
        names = _labels(trial.items, trial.options)
        right = [_classes.within(logits, names, truth, 1) for logits in (expected, measured)]
        yield metrics.averaged("accuracy", right[0], right[1])


def _labels(items: Sequence[Item], options: Resolved) -> list[str]:
    """What there is to choose from: the labels of the options, else of the items."""
    return list(options.labels) or sorted({i.label for i in items if i.label is not None})


def _candidates(items: Sequence[Item], options: Resolved) -> list[str]:
    """The texts that every picture is held against."""
    if labels := _labels(items, options):
        return [options.template.replace("{}", label) for label in labels]
    if not isinstance(items[0].input, tuple | list):
        raise DataError("pictures without labels: want LABEL/NAME.png, or options.labels")
    return list(items[0].input[1:])


def _picture(item: Item) -> Any:
    return item.input[0] if isinstance(item.input, tuple) else item.input


def _tokens(texts: Sequence[str], source: Path, model: Model, options: Resolved) -> Tensors:
    """The tokens of all texts, filled up to one length, and how many are each text's own."""
    tokenizer = _texts.tokenizer_of(source, model)
    cut = {"truncation": True, "max_length": options.max_length}
    lengths = [len(tokenizer(text, **cut)[TOKENS]) for text in texts]
    tokens = dict(tokenizer(list(texts), padding=options.padding, return_tensors="np", **cut))
    if options.padding == "max_length":
        tokens.pop("attention_mask", None)  # such a model was trained to look at the padding
    return {**tokens, _LENGTHS: np.array(lengths)}


def _all(outputs: Sequence[Tensors], name: str) -> Vector:
    return np.concatenate([output[name] for output in outputs]).astype(np.float64)


def _cosine(
    metric: str, name: str, expected: Sequence[Tensors], measured: Sequence[Tensors]
) -> Figure:
    pairs = zip(_all(expected, name), _all(measured, name), strict=True)
    found = [metrics.cosine(a, b) for a, b in pairs]
    return Figure(metric=metric, value=float(np.mean(found)), samples=len(found))


def _of_texts(trial: Trial) -> Trial:
    """The texts as items of their own, and their tokens without padding."""
    inputs = trial.inputs[0]
    rows = zip(inputs[TOKENS], inputs[_LENGTHS], strict=True)
    return trial._replace(
        items=[Item(text) for text in _candidates(trial.items, trial.options)],
        inputs=[{TOKENS: row[None, : int(length)]} for row, length in rows],
    )
