"""`model_info` in a network's rt_info, which OpenVINO's Model API and DL Streamer read.

So they know labels and how a picture becomes an input without any file beside the IR. Model API
makes inputs of pixels from 0 to 255: (pixel - mean) / scale; it resizes bilinearly, and only for an
input of fixed height and width (`reshape`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.spec import Model
from pipeline.tasks import _images

if TYPE_CHECKING:
    import openvino as ov

_SECTION = "model_info"
_CHANNELS = 3


def tell(
    network: "ov.Model", model: Model, source: Path, wrapper: str, labels: Sequence[str] = ()
) -> "ov.Model":
    """The network, which now says how it is used.

    What it does to pictures itself is not told, or it would be done twice.

    Args:
        network: with an input `pixel_values`, or one that takes raw pictures.
        model: its entry.
        source: the repository whose image processor it belongs to.
        wrapper: the class of Model API, by its `__model__`.
        labels: of each output, in their order; a space in one becomes an underscore.
    """
    import openvino as ov

    told = {"model_type": wrapper}
    if model.preprocess:
        fed_bgr = any(one.color_format == "BGR" for one in model.preprocess.values())
        told["reverse_input_channels"] = str(not fed_bgr)
    else:
        processor = _images.processor_of(source)
        told |= {**_normalization(processor), "resize_type": _resize(processor)}
        network.input(_images.PIXELS).get_node().set_layout(ov.Layout("NCHW"))
    if labels:
        told["labels"] = " ".join("_".join(label.split()) for label in labels)
    for key, value in told.items():
        network.set_rt_info(value, [_SECTION, key])
    return network


def _normalization(processor: Any) -> dict[str, str]:
    """What Model API subtracts from pixels and divides them by, of three channels."""
    factor = processor.rescale_factor if processor.do_rescale else 1.0
    normalizes = getattr(processor, "do_normalize", False)
    mean = np.broadcast_to(processor.image_mean if normalizes else 0.0, _CHANNELS)
    deviation = np.broadcast_to(processor.image_std if normalizes else 1.0, _CHANNELS)
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0  # of EfficientNet's
    is_bgr = getattr(processor, "do_flip_channel_order", False)
    return {
        "mean_values": _numbers((mean + offset) / factor),
        "scale_values": _numbers(deviation / factor),
        "reverse_input_channels": str(not is_bgr),  # it is given what OpenCV reads
    }


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def _resize(processor: Any) -> str:
    """Model API's word for how a picture becomes as large as the input."""
    sides = dict(processor.size) if processor.size else {}
    crops = getattr(processor, "do_center_crop", False) or "shortest_edge" in sides
    return "crop" if crops else "standard"
