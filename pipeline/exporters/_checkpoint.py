"""What a checkpoint of PyTorch holds, as its files say themselves; no weight is computed with.

A checkpoint is one file, or an index that names several; safetensors, or pickles where they are
allowed.
"""

import math
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError
from pipeline.record import read_json
from pipeline.spec import Model

_SAFE = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*.safetensors"),
)
_PICKLED = (
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*.bin"),
)
_BITS = {"F64": 64, "I64": 64, "F32": 32, "I32": 32, "F16": 16, "BF16": 16, "I16": 16}
_FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}  # widest last


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """What a checkpoint may be, in the order in which it is looked for: patterns that go together.

    The first of each is the file that is loaded, or names those that are.
    """
    return (*_SAFE, *(_PICKLED if "pickle" in model.allow else ()))


def sizes(source: Path, model: Model) -> dict[str, int]:
    """Bytes of the checkpoint's tensors by element type, as it says itself (`F32`, `BF16`).

    config.json may say otherwise.
    """
    sizes: Counter[str] = Counter()
    for path in _loaded(source, model):
        pickled = path.suffix != ".safetensors"
        if pickled and "pickle" not in model.allow:
            raise ExportError(f"{path.name}: no *.safetensors: a pickle wants allow: [pickle]")
        read = _of_pickle if pickled else _of_safetensors
        for kind, size in read(path):
            sizes[kind] += size
    return dict(sizes)


def _loaded(source: Path, model: Model) -> list[Path]:
    """The files that transformers reads: those that config.json names, else the first of `weights`.

    The order is that of transformers (`_get_resolved_checkpoint_files`).
    """
    named = [name for name, *_ in weights(model)]
    there = [name for name in named if (source / name).is_file()]
    first = read_json(source / "config.json", dict, ExportError).get(
        "transformers_weights"
    ) or next(iter(there), None)
    if first is None:
        raise ExportError(f"{model.source}: no weights: want one of {named}")
    if not str(first).endswith(".index.json"):
        return [source / str(first)]
    shards = read_json(source / str(first), dict, ExportError).get("weight_map")
    if not isinstance(shards, dict):
        raise ExportError(f"{first}: weight_map: {shards!r}: want tensor names to files")
    return [source / name for name in sorted({str(name) for name in shards.values()})]


def _of_safetensors(path: Path) -> Iterator[tuple[str, int]]:
    """Element type and bytes of each tensor."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                part = tensors.get_slice(name)
                kind, count = part.get_dtype(), math.prod(part.get_shape())
                yield kind, count * _BITS.get(kind, 8) // 8
    except (OSError, SafetensorError) as e:
        raise ExportError(f"{path.name}: not safetensors: {e}") from e


def _of_pickle(path: Path) -> Iterator[tuple[str, int]]:
    """Element type, as safetensors calls it, and bytes of each tensor; no value is read."""
    import torch

    called = {dtype: kind for kind, dtype in _FLOATS.items()}
    try:
        tensors = torch.load(path, map_location="meta", weights_only=True)
    except (EOFError, OSError, RuntimeError, pickle.UnpicklingError) as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ExportError(f"{path.name}: no pickled state dict: {reason}") from e
    if not isinstance(tensors, dict):
        raise ExportError(f"{path.name}: no pickled state dict: {type(tensors).__name__}")
    for tensor in tensors.values():
        if isinstance(tensor, torch.Tensor):
            dtype = str(tensor.dtype).removeprefix("torch.")
            kind = called.get(dtype, dtype.upper().replace("INT", "I"))
            yield kind, tensor.nelement() * tensor.element_size()


def dtype(checkpoint: Mapping[str, int]) -> Any:
    """The dtype that holds a checkpoint exactly: its own, or the wider one where it has several."""
    import torch

    floats = [kind for kind in _FLOATS if kind in checkpoint]
    if not floats:
        return "auto"
    several = len(floats) > 1 and "F64" not in floats
    return getattr(torch, _FLOATS["F32" if several else floats[-1]])
