"""What an entry puts around a network: shapes, and pre-processing of pictures."""

from typing import TYPE_CHECKING

from pipeline.networks.tensors import Networks
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov


def prepared(network: "ov.Model", model: Model) -> "ov.Model":
    """A network as the model's entry wants it."""
    return network


def fed(networks: Networks, model: Model) -> Networks:
    """The original's networks, fed as those of the artifact are."""
    return networks
