"""Speech with the windows in which somebody speaks: five LibriVox clips of pocketsphinx.

Its forced alignment says where words are and where silence is. Between clips is a second of weak
noise, and all is cut into pieces of 96 windows of 512 samples (32 ms).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.networks.tensors import Array, Vector
from zoo.makers import SPHINX

RATE, WINDOW, WINDOWS = 16_000, 512, 96
CLIPS, OTHERS = SPHINX / "test/data/librivox", SPHINX / "test/data/cards"


def make(out: Path) -> None:
    """Write validation.npz, and calibration.npz of other speakers without labels."""
    clips = sorted(CLIPS.glob("*.wav"))
    samples = _joined([_read(path) for path in clips])
    spoken = _joined([_spoken(path) for path in clips], noise=0.0)
    middles = _pieces(spoken)[:, WINDOW // 2 :: WINDOW]
    np.savez(out / "validation.npz", samples=_pieces(samples), labels=middles.astype(np.int64))
    others = _joined([_read(path) for path in sorted(OTHERS.glob("*.wav"))])
    np.savez(out / "calibration.npz", samples=_pieces(others))


def _read(path: Path) -> Vector:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE, f"{path}: {rate} Hz"  # noqa: S101
    found: Vector = samples
    return found


def _spoken(path: Path) -> Vector:
    """1 for each sample of a word, 0 for others."""
    aligned = json.loads(path.with_suffix(".json").read_text())
    found = np.zeros(len(_read(path)), np.float32)
    for start, end in _words(aligned):
        found[round(start * RATE) : round(end * RATE)] = 1
    return found


def _words(aligned: dict[str, list[dict[str, float]]]) -> Iterator[tuple[float, float]]:
    """The seconds at which words begin and end."""
    for word in aligned["w"]:
        if word["t"] != "<sil>":
            yield word["b"], word["b"] + word["d"]


def _joined(parts: list[Vector], noise: float = 3e-4) -> Vector:
    drawn = np.random.default_rng(0)
    between = [drawn.normal(0, noise, RATE).astype(np.float32) for _ in range(len(parts) + 1)]
    told = [piece for pair in zip(between, parts, strict=False) for piece in pair]
    return np.concatenate([*told, between[-1]])


def _pieces(samples: Array) -> Array:
    """Of shape (pieces, samples); what is left over at the end is left out."""
    length = WINDOW * WINDOWS
    return samples[: len(samples) // length * length].reshape(-1, length)
