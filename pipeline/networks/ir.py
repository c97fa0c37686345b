"""The only reader of OpenVINO IR, and what the files of an IR folder are called."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov

MODEL = "openvino_model"
ENCODER = "openvino_encoder_model"
DECODER = "openvino_decoder_model"
VISION_EMBEDDINGS = "openvino_vision_embeddings_model"
TEXT_EMBEDDINGS = "openvino_text_embeddings_model"
LANGUAGE = "openvino_language_model"
TOKENIZER = "openvino_tokenizer"
DETOKENIZER = "openvino_detokenizer"


def read(folder: Path, name: str = MODEL) -> "ov.Model":
    """The model of an IR folder. The file must not change while the model is in use (mmap)."""
    import openvino as ov

    if name in (TOKENIZER, DETOKENIZER):
        import openvino_tokenizers  # noqa: F401 - adds its operations to every Core
    return ov.Core().read_model(folder / f"{name}.xml")


def networks(folder: Path) -> list[str]:
    """The names of an IR folder's networks: its models less the tokenizer's two."""
    models = {path.stem for path in folder.glob("openvino_*.xml")}
    return sorted(models - {TOKENIZER, DETOKENIZER})
