"""Files of the zoo's own packages as magika is fed, each labelled by what its ending says.

A CMakeLists.txt is no text but for its ending, and left out.

The first and the last 1,024 bytes without white space around them, filled up with 256: what
`Magika._extract_features_from_seekable` (magika 1.0.3) makes of a file.
"""

import json
from pathlib import Path

import numpy as np

from pipeline.networks.tensors import Array
from zoo.makers import SITE

MODEL = SITE / "magika" / "models" / "standard_v3_3"
TAKEN, BLOCK, PADDING = 1024, 4096, 256
MOST, LEAST_BYTES = 40, 64  # files of a kind, and bytes of a file
KINDS = {
    "c": "c", "gif": "gif", "gz": "gzip", "ini": "ini", "jpg": "jpeg", "json": "json",
    "md": "markdown", "npy": "npy", "npz": "npz", "onnx": "onnx", "png": "png", "py": "python",
    "pyi": "python", "rst": "rst", "sh": "shell", "so": "elf", "sqlite3": "sqlite", "tif": "tiff",
    "toml": "toml", "txt": "txt", "wav": "wav", "xml": "xml", "yaml": "yaml", "yml": "yaml",
}  # fmt: skip


def make(out: Path) -> None:
    """Write validation.npz and calibration.npz: of each kind every other file."""
    names = json.loads((MODEL / "config.min.json").read_text())["target_labels_space"]
    for part, first in (("validation", 0), ("calibration", 1)):
        chosen = [
            (path, kind) for kind in sorted({*KINDS.values()}) for path in _of(kind)[first::2]
        ]
        labels = [names.index(kind) for _, kind in chosen]
        fed = np.stack([_fed(path.read_bytes()) for path, _ in chosen])
        np.savez(out / f"{part}.npz", bytes=fed, labels=labels)


def _of(kind: str) -> list[Path]:
    """Files of a kind, spread over all that there are."""
    endings = {f".{ending}" for ending, its in KINDS.items() if its == kind}
    found = sorted(p for p in SITE.rglob("*") if p.suffix in endings and p.is_file())
    long = [p for p in found if p.stat().st_size >= LEAST_BYTES and p.name != "CMakeLists.txt"]
    return long[:: -(-len(long) // MOST)] if long else []


def _fed(content: bytes) -> Array:
    """Of shape (2048,)."""
    start, end = content[:BLOCK].lstrip()[:TAKEN], content[-BLOCK:].rstrip()[-TAKEN:]
    fed = np.full(2 * TAKEN, PADDING, np.int32)
    fed[: len(start)] = list(start)
    fed[2 * TAKEN - len(end) :] = list(end)
    return fed
