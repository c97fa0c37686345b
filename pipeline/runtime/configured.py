"""What a model's own configuration says that it is for: transformers' `architectures`.

A class of transformers is called by its model and what it does (`BertForMaskedLM`), so its ending
tells the task; where one ending serves several, the rest of the configuration does.
"""

from collections.abc import Mapping
from typing import Any, Literal

ModelType = Literal["text", "vision", "audio", "multimodal"]

_BY_ENDING = {
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForImageClassificationWithTeacher": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "EncoderModel": "feature-extraction",
}
# What is asked for of a kind of model whose configuration says nothing.
_BY_TYPE: dict[ModelType, str] = {
    "text": "feature-extraction",
    "vision": "image-feature-extraction",
    "audio": "audio-classification",
    "multimodal": "zero-shot-image-classification",
}
MODEL_TYPES = tuple(_BY_TYPE)
_VISION = ("patch_size", "num_channels", "image_size")
_AUDIO = ("conv_stride", "num_mel_bins", "feat_extract_norm")


def task_of(config: Mapping[str, Any], model_type: ModelType | None = None) -> str | None:
    """The task of a config.json; where that says none, what is usual for the kind of model.

    Args:
        config: its fields.
        model_type: what the user says that it is.
    """
    named = config.get("architectures")
    for name in named if isinstance(named, list) else []:
        if task := _task(str(name), config):
            return task
    return _BY_TYPE[model_type] if model_type else None


def _task(architecture: str, config: Mapping[str, Any]) -> str | None:
    """The task of one class."""
    if architecture.endswith("ForSequenceClassification"):
        if _has(config, _AUDIO):
            return "audio-classification"
        return "text-ranking" if _labels(config) == 1 else "text-classification"
    if architecture.endswith("ForConditionalGeneration"):
        if config.get("model_type") == "whisper":
            return "automatic-speech-recognition"
        return "image-text-to-text" if "vision_config" in config else "text2text-generation"
    for ending, task in _BY_ENDING.items():
        if architecture.endswith(ending):
            return task
    return _of_bare(config) if architecture.endswith("Model") else None


def _of_bare(config: Mapping[str, Any]) -> str | None:
    """The task of a network without a head."""
    if "text_config" in config and "vision_config" in config:
        return "zero-shot-image-classification"
    if _has(config, _AUDIO):
        return None
    return "image-feature-extraction" if _has(config, _VISION) else "feature-extraction"


def _has(config: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    return any(key in config for key in keys)


def _labels(config: Mapping[str, Any]) -> int:
    """How many labels it tells apart; transformers has two where nothing is said."""
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) else int(config.get("num_labels") or 2)
