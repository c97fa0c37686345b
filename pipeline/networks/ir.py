"""The only reader and writer of OpenVINO IR; what it writes is canonical."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.networks import canonical

if TYPE_CHECKING:
    import openvino as ov

MODEL = "openvino_model"
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


def write(
    model: "ov.Model", folder: Path, name: str = MODEL, *, keep: Collection[str] = ()
) -> dict[str, Any]:
    """Write a model as canonical IR; the model's own names and rt_info are changed.

    Args:
        model: is changed.
        folder: where the `.xml` and the `.bin` go.
        name: their name without ending.
        keep: names of operations that stay although they look made up.

    Returns:
        The rt_info that was left out of the file, for the provenance.
    """
    import openvino as ov

    stamps = canonical.take_stamps(model)
    canonical.rename(model, name, keep)
    ov.serialize(model, folder / f"{name}.xml", folder / f"{name}.bin")
    return stamps
