"""A small convolutional network that reads digits, as an ONNX file: a bare model of pictures.

It is trained here on what `trained.digits_vit` draws, enlarged by Pillow, with inputs called as
nobody calls them.
"""

from pathlib import Path
from typing import Any

import numpy as np
from trained import DIGITS, Trained, _once, _reproducible, digits_vit, read_pictures

SIDE = 24
MEAN, SCALE = (120.0, 125.0, 130.0), (60.0, 65.0, 70.0)
PREPROCESS = {
    "resize": "RESIZE_BILINEAR_PILLOW",
    "size": [SIDE, SIDE],
    "mean": list(MEAN),
    "scale": list(SCALE),
}
ENTRY: dict[str, Any] = {
    "format": "onnx",
    "task": "image-classification",
    "options": {"labels": list(DIGITS)},
    "preprocess": PREPROCESS,
}
_CHANNELS = (16, 32)


def digits_cnn(work: Path) -> Trained:
    """The folder of the ONNX file, and the pictures."""
    digits = digits_vit(work)
    folder = _once(work, "digits-cnn", [Path(__file__)], lambda out: _train(digits, out))
    return Trained(folder, digits.validation, digits.calibration)


def pixels(pictures: list[Any]) -> Any:
    """Inputs as whoever trained the network makes them."""
    enlarged = [np.asarray(one.resize((SIDE, SIDE), 2), np.float32) for one in pictures]
    return ((np.stack(enlarged) - MEAN) / SCALE).transpose(0, 3, 1, 2).astype(np.float32)


def _train(digits: Trained, out: Path) -> None:
    import torch
    from torch import nn

    pictures, names = read_pictures(digits.calibration, digits.validation.parent / "train")
    inputs = torch.from_numpy(pixels(pictures))
    labels = torch.tensor([DIGITS.index(name) for name in names])
    first, second = _CHANNELS
    with _reproducible():
        net = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * (SIDE // 4) ** 2, len(DIGITS)),
        )
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
        for _ in range(8):
            for rows in torch.randperm(len(labels)).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(inputs[rows]), labels[rows]).backward()
                optimizer.step()
    save(out / "cnn.onnx", {name: w.detach().numpy() for name, w in net.state_dict().items()})


def save(path: Path, weights: dict[str, Any], batch: int | str = "n") -> None:
    """Write the network as ONNX, with an open batch or a static one."""
    import onnx
    from onnx import helper, numpy_helper

    strided = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "0.weight", "0.bias"], ["a"], "conv_a", **strided),
        helper.make_node("Relu", ["a"], ["b"], "relu_a"),
        helper.make_node("Conv", ["b", "2.weight", "2.bias"], ["c"], "conv_b", **strided),
        helper.make_node("Relu", ["c"], ["d"], "relu_b"),
        helper.make_node("Flatten", ["d"], ["e"], "flatten"),
        helper.make_node("Gemm", ["e", "5.weight", "5.bias"], ["scores"], "head", transB=1),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "cnn",
        [helper.make_tensor_value_info("image", kind, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", kind, [batch, len(DIGITS)])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
