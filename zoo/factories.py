"""Networks of PyTorch that `factory:` of params.yaml calls; weights come from the source."""

from typing import Any

import torch
from torch import nn


def lite0() -> Any:
    """EfficientNet-lite0, of the package efficientnet-lite-pytorch."""
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0")


def clothes() -> "Clothes":
    """What reads Fashion-MNIST."""
    return Clothes()


class Clothes(nn.Module):
    """A small CNN: pictures of shape (n, 1, 28, 28) from 0 to 1 in, a logit for each class out."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.hidden = nn.Linear(32 * 7 * 7, 128)
        self.classes = nn.Linear(128, 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits, of shape (n, 10)."""
        seen = self.features(pixels).flatten(1)
        logits: torch.Tensor = self.classes(torch.relu(self.hidden(seen)))
        return logits
