"""optimum-intel, as IPFS Accelerate asks for it: whether it is there, and which classes it has."""

import importlib.metadata
import importlib.util
import re

from pipeline.runtime.answers import Answer

# By the names that the guide and upstream know them, the classes of optimum-intel.
CLASSES = {
    "SequenceClassification": "OVModelForSequenceClassification",
    "TokenClassification": "OVModelForTokenClassification",
    "QuestionAnswering": "OVModelForQuestionAnswering",
    "CausalLM": "OVModelForCausalLM",
    "Seq2SeqLM": "OVModelForSeq2SeqLM",
    "MaskedLM": "OVModelForMaskedLM",
    "Vision": "OVModelForImageClassification",
    "FeatureExtraction": "OVModelForFeatureExtraction",
    "ImageSegmentation": "OVModelForImageSegmentation",
    "AudioClassification": "OVModelForAudioClassification",
    "SpeechSeq2Seq": "OVModelForSpeechSeq2Seq",
    "MultipleChoice": "OVModelForMultipleChoice",
}


def integration() -> Answer:
    """What optimum-intel offers here, under the names of the guide and of upstream.

    Nothing is imported but its list of names: importing a class of it takes seconds.
    """
    if importlib.util.find_spec("optimum") is None or not importlib.util.find_spec("optimum.intel"):
        have: set[str] = set()
        version = None
    else:
        import optimum.intel

        have, version = set(dir(optimum.intel)), importlib.metadata.version("optimum-intel")
    is_there = {kind: name in have for kind, name in CLASSES.items()}
    spelt = {
        f"{word}_available": found for kind, found in is_there.items() for word in _spelt(kind)
    }
    return {
        "status": "success",
        "available": version is not None,
        "version": version,
        "supported_models": [
            {"type": kind, "class_name": CLASSES[kind], "available": True}
            for kind, found in is_there.items()
            if found
        ],
        "quantization_support": "OVQuantizer" in have,
        "training_support": "OVTrainingArguments" in have,
        "config_support": "OVConfig" in have,
        "default_config": {"compression": None, "optimization_level": None},
        "requires_transformers": _required("optimum-intel", "transformers"),
        **spelt,
    }


def _spelt(kind: str) -> tuple[str, str]:
    """Upstream's spelling of a class, and the guide's: `causallm` and `causal_lm`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    return kind.lower(), words


def _required(distribution: str, of: str) -> str | None:
    """The versions of another distribution that one wants."""
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    wanted = [line.partition(";")[0].strip() for line in lines if re.match(rf"{of}\b(?!-)", line)]
    return wanted[0].removeprefix(of).strip(" ()") if wanted else None
