"""Chords of one to four notes, made of harmonics that die away, and the keys that were struck.

Each array is there twice, because basic-pitch calls its input so in ONNX and TFLite, and otherwise
in its SavedModel.
"""

from pathlib import Path

import numpy as np

from pipeline.networks.tensors import Array, Vector

RATE, SAMPLES = 22_050, 43_844
KEYS, LOWEST_HZ = 88, 27.5  # of a piano
INPUTS = ("serving_default_input_2:0", "input_2")
JUDGED, CALIBRATED = 40, 40


def make(out: Path) -> None:
    """Write validation.npz and calibration.npz."""
    for part, seed, count in (("validation", 0, JUDGED), ("calibration", 1, CALIBRATED)):
        drawn = np.random.default_rng(seed)
        labels = np.zeros((count, KEYS), np.int64)
        for row in labels:
            row[drawn.choice(np.arange(20, 64), drawn.integers(1, 5), replace=False)] = 1
        played = np.stack([_played(np.flatnonzero(row), drawn) for row in labels])
        np.savez(out / f"{part}.npz", labels=labels, **dict.fromkeys(INPUTS, played))


def _played(keys: Array, drawn: np.random.Generator) -> Array:
    """Of shape (samples, 1)."""
    sound = sum((_tone(int(key), drawn) for key in keys), drawn.normal(0, 1e-3, SAMPLES))
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)[:, None]


def _tone(key: int, drawn: np.random.Generator) -> Vector:
    """Eight harmonics of a key, struck within the first half second."""
    pitch = LOWEST_HZ * 2 ** (key / 12)
    since = np.arange(SAMPLES) / RATE - drawn.uniform(0.05, 0.5)
    swell = np.clip(since / 0.01, 0, 1)
    harmonics = (
        np.sin(2 * np.pi * pitch * n * since) * np.exp(-np.clip(since, 0, None) * (1 + n / 2)) / n
        for n in range(1, 9)
        if pitch * n < RATE / 2
    )
    tone: Vector = swell * sum(harmonics, np.zeros(SAMPLES)) * drawn.uniform(0.5, 1)
    return tone
