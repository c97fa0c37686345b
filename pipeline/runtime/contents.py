"""What callers hand in: tensors by name, as lists too, or what people have, in a dict of its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.errors import DataError, SpecError
from pipeline.networks.tensors import Array, Tensors

# Keys under which callers hand in what is no tensor.
RAW = ("input_text", "text", "image", "audio")


def tensors(content: Mapping[str, Any], ranks: Mapping[str, int | None]) -> tuple[Tensors, int]:
    """What a network is fed, and how many items that is.

    Lists and tensors of PyTorch become arrays, and what lacks the axis of the batch gets one.

    Args:
        content: by input name.
        ranks: how many axes each input has; None where any number will do.
    """
    ready: dict[str, Array] = {}
    items = 1
    for name, value in content.items():
        if type(value) is not np.ndarray:
            value = _array(name, value)
        rank = ranks.get(name)
        if rank is not None:
            if value.ndim + 1 == rank:
                value = value[None]
            if rank:
                items = len(value)
        ready[name] = value
    return ready, items


def _array(name: str, value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        return np.asarray(value)
    except ValueError as e:
        raise DataError(f"input {name!r}: lists of different lengths: pad them") from e


def raw(content: Any, ranks: Mapping[str, int | None]) -> tuple[Any, int]:
    """What people gave, out of the dict it may come in, and how many items it is."""
    if content is None:
        raise SpecError("inputs: none: want tensors by name, or text, pictures or sound")
    if isinstance(content, Mapping):
        named = [key for key in RAW if key in content]
        if not named or len(named) < len(content):
            unknown = sorted(set(content) - set(RAW))
            raise SpecError(
                f"inputs: {unknown}: the network wants {sorted(ranks)}; "
                f"what is no tensor comes as {list(RAW)}"
            )
        content = content[named[0]] if len(named) == 1 else dict(content)
    return content, len(content) if isinstance(content, list) else 1
