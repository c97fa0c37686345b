"""Fashion-MNIST (Xiao et al. 2017), as Debian has it, and a network that is trained on it here.

The 10,000 pictures of its test set are held out; 300 of the 60,000 that it is trained on calibrate.
"""

import gzip
import os
from pathlib import Path

import numpy as np

from pipeline.networks.tensors import Array
from zoo.factories import Clothes

FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
APT = "apt-get install dataset-fashion-mnist"
CALIBRATED, EPOCHS, BATCH = 300, 3, 64


def lacks() -> str:
    """What is to be done before it can be made; empty if nothing."""
    if (FOLDER / "t10k-images-idx3-ubyte.gz").exists():
        return ""
    return f"{FOLDER}: no Fashion-MNIST: `{APT}`, or FASHION_MNIST=FOLDER"


def make(out: Path) -> None:
    """Train, and write model.safetensors, validation.npz and calibration.npz."""
    pixels, labels = _read("train")
    _train(pixels, labels, out / "model.safetensors")
    np.savez(out / "calibration.npz", pixels=pixels[:CALIBRATED])
    pixels, labels = _read("t10k")
    np.savez(out / "validation.npz", pixels=pixels, labels=labels)


def _read(part: str) -> tuple[Array, Array]:
    """Pictures from 0 to 1, of shape (n, 1, 28, 28), and their classes (the format of MNIST)."""
    images = gzip.decompress((FOLDER / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((FOLDER / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return (pixels / 255).astype(np.float32), np.frombuffer(labels, np.uint8, offset=8)


def _train(pixels: Array, labels: Array, path: Path) -> None:
    """With one thread, so that sums do not depend on the number of cores."""
    import torch
    from safetensors.torch import save_file
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, given = Clothes().train(), torch.from_numpy(pixels)
    truth = torch.from_numpy(labels.astype(np.int64))
    steps = EPOCHS * len(truth) // BATCH
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(truth), (BATCH,))
        loss = cross_entropy(network(given[chosen]), truth[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    save_file(network.eval().state_dict(), path)
