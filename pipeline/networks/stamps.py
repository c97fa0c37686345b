"""rt_info: what consumers read stays in the IR; versions, seeds and the like leave it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino as ov

# Paths in rt_info of what says which tool made the model, or how; each is one of a tool's keys, or
# all of them that it does not list by name. No consumer reads them (tests/test_stamps.py).
STAMPS = (
    "OpenVINO Runtime",
    "Runtime_version",
    "version",
    "conversion_parameters",
    "openvino_version",
    "original_tokenizer_class",
    "tokenizers_version",
    "transformers_version",
    "sentencepiece_version",
    "tiktoken_version",
    "nncf/version",
    "nncf/*/*seed",
    "nncf/*/advanced_*parameters",
    "optimum/*_version",
)
# Read, so they stay, cut to the release series: openvino.genai asks whether the tokenizer has the
# first (tokenizer_impl.cpp: 24.5 or newer), optimum-intel compares the second with releases.
SERIES = ("openvino_tokenizers_version", "optimum/transformers_version")
_STAMP = re.compile("|".join(re.escape(path).replace(r"\*", "[^/]*") for path in STAMPS))
_Path = tuple[str, ...]


def take(model: "ov.Model") -> dict[str, Any]:
    """Take the stamps out of a model's rt_info.

    Returns:
        What was taken out, by path, for the provenance.
    """
    stamps: dict[str, Any] = {}
    for key, value in _plain(model.rt_info).items():
        kept = list(_kept(value, (key,), stamps))
        if any(path.split("/")[0] == key for path in stamps):
            del model.rt_info[key]  # what is inside an entry cannot be changed in place
            for path, leaf in kept:
                model.set_rt_info(leaf, list(path))
    return stamps


def _kept(value: Any, path: _Path, stamps: dict[str, Any]) -> Iterator[tuple[_Path, Any]]:
    """The leaves of an entry that stay, by path; the others go to `stamps`."""
    told = "/".join(path)
    if told in SERIES:
        series = ".".join(str(value).split(".")[:2])
        if series != value:
            stamps[told] = value
        yield path, series
    elif _STAMP.fullmatch(told):
        stamps[told] = value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _kept(inner, (*path, key), stamps)
    else:
        yield path, value


def _plain(value: Any) -> Any:
    """An rt_info value (RTMap, OVAny) as JSON types, keys sorted."""
    inner = value.value if hasattr(value, "value") else value
    if hasattr(inner, "items"):
        return {str(key): _plain(item) for key, item in sorted(inner.items())}
    return inner if isinstance(inner, bool | int | float | str) else str(inner)
