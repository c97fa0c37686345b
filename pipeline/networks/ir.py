"""The only reader and writer of OpenVINO IR; what it writes is canonical.

The same model gives the same bytes, whichever process wrote it and however many models it made
before: generated names are replaced by the operation's index in topological order (tensor names,
which are the model's interface, stay), and what the tools stamp into rt_info goes to the
provenance, except for what a consumer reads.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PrecisionError

if TYPE_CHECKING:
    import openvino as ov

MODEL = "openvino_model"
TOKENIZER = "openvino_tokenizer"
DETOKENIZER = "openvino_detokenizer"

# Stamps of versions and of how the model was made: no consumer reads them.
_STAMPS = (
    "OpenVINO Runtime",
    "Runtime_version",
    "version",
    "conversion_parameters",
    "nncf",
    "optimum",
    "openvino_version",
    "original_tokenizer_class",
    "tokenizers_version",
    "transformers_version",
    "sentencepiece_version",
    "tiktoken_version",
)
# openvino.genai asks whether this key is there (tokenizer_impl.cpp: 24.5 or newer), not for its
# value; the release series is all that is kept of it.
_TOKENIZERS_VERSION = "openvino_tokenizers_version"


def read(folder: Path, name: str = MODEL) -> "ov.Model":
    """The model of an IR folder. The file must not change while the model is in use (mmap)."""
    import openvino as ov

    if name != MODEL:
        import openvino_tokenizers  # noqa: F401 - adds its operations to every Core
    return ov.Core().read_model(folder / f"{name}.xml")


def networks(folder: Path) -> list[str]:
    """The names of an IR folder's networks: its models less the tokenizer's two."""
    models = {path.stem for path in folder.glob("openvino_*.xml")}
    return sorted(models - {TOKENIZER, DETOKENIZER})


def write(model: "ov.Model", folder: Path, name: str = MODEL) -> dict[str, Any]:
    """Write a model as canonical IR; the model's own names and rt_info are changed.

    Returns:
        The rt_info that was left out of the file, for the provenance.
    """
    import openvino as ov

    stamps = _take_stamps(model)
    model.set_friendly_name(name)
    rename_operations(model.get_ordered_ops())
    ov.serialize(model, folder / f"{name}.xml", folder / f"{name}.bin")
    return stamps


def rename_operations(operations: Iterable["ov.Node"], prefix: str = "") -> None:
    """Name every operation by type and index, in the bodies of loops and branches too."""
    for index, operation in enumerate(operations):
        name = f"{prefix}{operation.get_type_name()}_{index}"
        operation.set_friendly_name(name)
        for body_index, body in enumerate(_bodies(operation)):
            body.set_friendly_name(f"{name}.{body_index}")
            rename_operations(body.get_ordered_ops(), f"{name}.{body_index}.")


def element_types(model: "ov.Model") -> dict[str, int]:
    """How many bytes of constants the model holds, by element type (`f32`, `f16`, `i8` ...)."""
    sizes: dict[str, int] = {}
    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "Constant":
            kind = operation.get_element_type().to_string()
            sizes[kind] = sizes.get(kind, 0) + operation.get_byte_size()
    return sizes


def demand_floats(model: "ov.Model", wanted: str, precision: str) -> None:
    """Hold a model to its label: most of its floating-point constants are of one element type.

    Raises:
        PrecisionError: most are of another.
    """
    sizes = {kind: size for kind, size in element_types(model).items() if "f" in kind}
    most = max(sizes, key=lambda kind: sizes[kind], default="none")
    if most != wanted:
        raise PrecisionError(f"precision {precision}: most weights are {most}: want {wanted}")


def demand_int8(model: "ov.Model", precision: str) -> None:
    """Hold a model to its label: it has constants of 8-bit integers.

    Raises:
        PrecisionError: it has none.
    """
    have = element_types(model)
    if not (have.get("i8") or have.get("u8")):
        raise PrecisionError(
            f"precision {precision}: no i8 or u8 in the graph: have {sorted(have)}"
        )


def _bodies(operation: "ov.Node") -> list["ov.Model"]:
    kind = operation.get_type_name()
    if kind in ("Loop", "TensorIterator"):
        return [operation.get_function()]
    if kind == "If":
        return [operation.get_then_body(), operation.get_else_body()]
    return []


def _take_stamps(model: "ov.Model") -> dict[str, Any]:
    rt_info = model.rt_info
    stamps = {key: _plain(rt_info[key]) for key in _STAMPS if key in rt_info}
    for key in stamps:
        del rt_info[key]
    if _TOKENIZERS_VERSION in rt_info:
        version = str(_plain(rt_info[_TOKENIZERS_VERSION]))
        stamps[_TOKENIZERS_VERSION] = version
        rt_info[_TOKENIZERS_VERSION] = ".".join(version.split(".")[:2])
    return stamps


def _plain(value: Any) -> Any:
    """An rt_info value (OVAny) as JSON types."""
    inner = value.value if hasattr(value, "value") else value
    if hasattr(inner, "items"):
        return {str(key): _plain(item) for key, item in sorted(inner.items())}
    return inner if isinstance(inner, bool | int | float | str) else str(inner)
