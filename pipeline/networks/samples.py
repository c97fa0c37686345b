"""Lists of named arrays on disk: `load(path)` gives what `save(samples, path)` was given.

One .npz without pickles; NumPy writes no time into it, so the same samples give the same bytes.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import EvidenceError
from pipeline.networks.tensors import Array, Tensors

# What they are called in the folder of a calibration or a reference.
INPUTS = "inputs.npz"
OUTPUTS = "outputs.npz"


def save(samples: Sequence[Tensors], path: Path) -> None:
    """Write samples in their order."""
    arrays = {
        f"{index:06d}/{name}": array
        for index, sample in enumerate(samples)
        for name, array in sample.items()
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> list[Tensors]:
    """Read samples in their order.

    Raises:
        EvidenceError: the file is not there or not one of ours.
    """
    samples: dict[str, dict[str, Array]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays:
                index, _, name = key.partition("/")
                samples.setdefault(index, {})[name] = arrays[key]
    except (OSError, ValueError, zipfile.BadZipFile) as e:
        raise EvidenceError(f"{path}: cannot be read: {e}; run `dvc repro`") from e
    return [samples[index] for index in sorted(samples)]
