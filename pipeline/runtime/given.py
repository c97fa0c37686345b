"""What people give, as items of a task: texts, pairs of texts, pictures, sounds, and lists."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.runtime import extra
from pipeline.tasks import Item

_SHOWN = 40  # characters of what is wrong


def items(given: Any, task: ModuleType, *, sampling_rate: int | None = None) -> list[Item]:
    """The items of a call: a list has one item an entry, anything else is one.

    Args:
        given: of the sort that the task takes. A pair is a tuple, or a mapping of two.
        task: which says by the sizes that its benchmarks vary what it takes.
        sampling_rate: of sounds that are arrays, in Hz.

    Raises:
        DataError: it is of another sort.
        ToolError: a library is not here.
    """
    one = _reader(task, sampling_rate)
    several = given if isinstance(given, list) or _is_batch(given) else [given]
    return [Item(one(entry)) for entry in several]


def is_chat(given: Any) -> bool:
    """Whether a list holds the messages of a chat, each with its role and content."""
    return (
        isinstance(given, list)
        and bool(given)
        and all(isinstance(one, Mapping) and {"role", "content"} <= one.keys() for one in given)
    )


def _reader(task: ModuleType, rate: int | None) -> Callable[[Any], Any]:
    sizes = task.Sizes.model_fields
    if "seconds" in sizes:
        return lambda given: _sound(given, rate)
    if "height" in sizes:
        return _picture
    if "image_token" in task.Resolved.model_fields:
        return _picture_and_text
    return _pair if getattr(task, "TEXTS", 1) == 2 else _text


def _is_batch(given: Any) -> bool:
    """Whether an array holds several pictures."""
    return isinstance(given, np.ndarray) and given.ndim == 4


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise DataError(f"{_shown(given)}: want a text, or a list of texts")
    return given


def _pair(given: Any) -> tuple[str, str]:
    first, second = _two(given, "two texts (question and context, query and document)")
    return _text(first), _text(second)


def _picture_and_text(given: Any) -> tuple[Any, str]:
    picture, text = _two(given, "a picture and a text")
    return _picture(picture), _text(text)


def _two(given: Any, wanted: str) -> Sequence[Any]:
    parts = tuple(given.values()) if isinstance(given, Mapping) else given
    if not isinstance(parts, tuple) or len(parts) != 2:
        raise DataError(f"{_shown(given)}: want {wanted} as a tuple, or a list of such")
    return parts


def _picture(given: Any) -> Any:
    """A path, or a picture of Pillow."""
    if isinstance(given, str | Path):
        return Path(given)
    with extra.wanted("pictures"):
        from PIL import Image
    if isinstance(given, Image.Image):
        return given
    if not isinstance(given, np.ndarray):
        raise DataError(f"{_shown(given)}: want a path, a picture of Pillow or an array")
    if given.ndim != 3 or given.shape[2] != 3 or given.dtype != np.uint8:
        raise DataError(
            f"an array of shape {given.shape} of {given.dtype}: want a picture of shape "
            "(height, width, 3) of uint8, or `infer` for tensors"
        )
    return Image.fromarray(given)


def _sound(given: Any, rate: int | None) -> Any:
    """A path, or samples between -1 and 1 and their rate."""
    if isinstance(given, str | Path):
        return Path(given)
    if isinstance(given, Mapping) and {"array", "sampling_rate"} <= given.keys():
        given, rate = given["array"], given["sampling_rate"]
    if not isinstance(given, np.ndarray):
        raise DataError(f"{_shown(given)}: want a path, or an array of samples")
    if rate is None:
        raise DataError(f"{len(given)} samples: want their sampling_rate beside them, in Hz")
    if np.issubdtype(given.dtype, np.integer):
        given = given / -float(np.iinfo(given.dtype).min)
    return given.astype(np.float32), rate


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
