"""Rows that are one model in several formats: how far their fp32 artifacts are apart."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.layout import Layout
from pipeline.networks import ir, ports
from pipeline.networks.session import Session
from pipeline.networks.tensors import Array, Tensors

GROUPS = (
    ("lite0", "lite0-script"),
    ("basic-pitch-onnx", "basic-pitch-tflite", "basic-pitch-tf"),
    ("rapidocr-rec", "rapidocr-rec-paddle"),
)
MOST = 1e-3  # of an output
_ITEMS = 10


def apart(
    rows: Sequence[str], layout: Layout, models: dict[str, Any]
) -> Iterator[tuple[str, float]]:
    """Each row but the first of every group whose rows are all there, and how far it is from that.

    Args:
        rows: those that were built.
        layout: the project.
        models: the entries of params.yaml.
    """
    for group in GROUPS:
        if set(group) <= {*rows}:
            data = layout.root / models[group[0]]["validation"]
            first, *others = (list(_outputs(layout.ir(f"{row}-fp32"), data)) for row in group)
            for row, other in zip(group[1:], others, strict=True):
                yield row, max(_apart(a, b) for a, b in zip(first, other, strict=True))


def _outputs(folder: Path, data: Path) -> Iterator[Tensors]:
    """What an artifact makes of the first items, at f32."""
    network = ir.read(folder)
    names = [ports.name(port) for port in network.inputs]
    session = Session(network, execution="f32")
    with np.load(data) as arrays:
        fed = {name: arrays[name] for name in names}
    for row in range(_ITEMS):
        yield session({name: array[row : row + 1] for name, array in fed.items()})


def _apart(one: Tensors, other: Tensors) -> float:
    """How far an output is from the nearest of its shape, at most; names may differ."""
    return max(min(_difference(a, b) for b in other.values()) for a in one.values())


def _difference(one: Array, other: Array) -> float:
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())
