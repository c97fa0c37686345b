"""What callers hand in: tensors by name, as lists too, or what people have, in a dict."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import DataError, SpecError
from pipeline.networks.tensors import Array, Tensors
from pipeline.runtime.config import Config
from pipeline.runtime.given import is_chat

if TYPE_CHECKING:
    from pipeline.runtime.loaded import Loaded

Ranks = Mapping[str, int | None]  # how many axes each input has; None where any number will do

# Keys under which callers hand in what is no tensor, and what is no tensor of a pair.
RAW = ("input_text", "text", "prompt", "messages", "image", "audio")
PAIRS = (("question", "context"), ("query", "document"), ("image", "text"))
_ZERO_SHOT, _FILL_MASK = "zero-shot-image-classification", "fill-mask"
_MASKS = ("[MASK]", "<mask>")
# Config keys of a generation, and what the runtime calls them (generation.Settings).
_SETTINGS = {
    "max_length": "max_new_tokens",
    "min_length": "min_new_tokens",
    "num_beams": "num_beams",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
}


class Raw(NamedTuple):
    """What people have, as `Loaded` takes it.

    Args:
        asked: an item, or a list of them.
        told: what goes with it.
        items: how many it is.
        size: of them at once; None for all.
    """

    asked: Any
    told: dict[str, Any]
    items: int
    size: int | None


def tensors(content: Mapping[str, Any], ranks: Ranks) -> tuple[Tensors, int]:
    """What a network is fed, and how many items that is.

    Lists and tensors of PyTorch become arrays, and what lacks the axis of the batch gets one.

    Args:
        content: by input name.
        ranks: of the network's inputs.
    """
    ready: dict[str, Array] = {}
    items = 1
    for name, value in content.items():
        if type(value) is not np.ndarray:
            value = _array(name, value)
        rank = ranks.get(name)
        if rank:
            if value.ndim + 1 == rank:
                value = value[None]
            items = len(value) if value.ndim else 1
        ready[name] = value
    return ready, items


def raw(content: Any, given: Config, ranks: Ranks, loaded: "Loaded") -> Raw:
    """What people have, out of the dict that it may come in.

    Raises:
        SpecError: there is nothing, or a key is unknown.
    """
    if content is None:
        raise SpecError("inputs: none: want tensors by name, or text, pictures or sound")
    settings = {ours: given[key] for key, ours in _SETTINGS.items() if given.get(key)}
    rate = given.get("original_sample_rate", given.get("sample_rate"))
    told = {
        "settings": settings if settings and loaded.generates else None,
        "sampling_rate": rate,
        "max_length": given.get("sequence_length"),
    }
    if isinstance(content, Mapping):
        content = dict(content)
        told["sampling_rate"] = content.pop("sampling_rate", rate)
        content, labels = _unwrapped(content, ranks, loaded.task)
        told |= {"labels": labels} if labels else {}
    if isinstance(content, np.ndarray) and content.ndim == 4:
        content = list(content)
    items = len(content) if isinstance(content, list) and not is_chat(content) else 1
    told = {name: value for name, value in told.items() if value is not None}
    return Raw(content, told, items, given.get("batch_size"))


def answers(loaded: "Loaded", raw: Raw) -> tuple[Any, str]:
    """What a model makes of what people have: an answer for each item, and what is to be said."""
    if loaded.task == _FILL_MASK and not any(mask in str(raw.asked) for mask in _MASKS):
        fed = loaded.tokens(raw.asked, max_length=raw.told.get("max_length"))
        return loaded.infer(fed), "there is no mask in the text: these are the network's outputs"
    if raw.size is None or raw.items <= raw.size:
        return loaded(raw.asked, **raw.told), ""
    parts = [raw.asked[at : at + raw.size] for at in range(0, raw.items, raw.size)]
    return [answer for part in parts for answer in loaded(part, **raw.told)], ""


def _unwrapped(content: dict[str, Any], ranks: Ranks, task: str | None) -> tuple[Any, Any]:
    """What lies in a dict, and the labels that a picture is held against."""
    keys = set(content)
    if len(content) == 1 and keys <= set(RAW):
        return next(iter(content.values())), None
    for first, second in PAIRS:
        if keys == {first, second}:
            if first == "image" and task == _ZERO_SHOT:
                text = content["text"]
                return content["image"], text if isinstance(text, list) else [text]
            return (content[first], content[second]), None
    unknown = sorted(keys - set(RAW) - {key for pair in PAIRS for key in pair})
    have = [*RAW, *(" and ".join(pair) for pair in PAIRS)]
    raise SpecError(
        f"inputs: {unknown or sorted(keys)}: the network wants {sorted(ranks)}; "
        f"what is no tensor comes as one of {have}"
    )


def _array(name: str, value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        return np.asarray(value)
    except ValueError as e:
        raise DataError(f"input {name!r}: lists of different lengths: pad them") from e
