"""What optimum-intel refuses, by torch.export: its names, its bytes, its figures.

Which architectures: tests/test_checkpoints.py.
"""

import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brought
import numpy as np
import pytest
import torch
import transformers
from built import Built, model_of
from conftest import ROOT
from test_checkpoints import SIZES, entry, saved

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.exporters import _program, _torch_export
from pipeline.networks import ir, samples, writer
from pipeline.steps import quantize

SIDE = 32  # pixels
NAMED = {
    "self.layers.1.attn.Wqkv.weight",
    "__module.layers.0.attn.Wqkv/aten::linear/MatMul",
    "__module.layers.1.mlp.Wo/aten::linear/MatMul",
    "__module.embeddings.tok_embeddings/aten::embedding/Gather",
}
TEXTS = [
    "A short one.", "the longer text of texts " * 30, "one of the others", "long text", "a",
    "of the", "short shorter", "text, text.", "the long one of the short ones", "others of texts",
]  # fmt: skip


def modernbert(kind: str, folder: Path) -> torch.nn.Module:
    """A ModernBERT of two layers, in the second of which tokens see their neighbours alone."""
    torch.manual_seed(0)
    config = transformers.ModernBertConfig(
        **SIZES, pad_token_id=0, global_attn_every_n_layers=2, local_attention=16,
        initializer_range=0.3,
    )  # fmt: skip
    return saved(getattr(transformers, kind)(config), folder)  # type: ignore[no-any-return]


def written(folder: Path) -> dict[str, str]:
    """The digests of the IR of a ModernBERT."""
    network = modernbert("ModernBertModel", folder / "source")
    source = folder / "source"
    made, _ = _torch_export.convert(network, ["last_hidden_state"], source, entry(source))
    writer.write(made, folder)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("openvino_*")}


@pytest.mark.soak
def test_the_same_model_gives_the_same_bytes_in_any_process_and_layers_have_their_names(
    tmp_path: Path,
) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    call = f"from test_torch_export import *; print(written(Path({str(tmp_path / 'three')!r})))"

    one, two = written(tmp_path / "one"), written(tmp_path / "two")
    three = subprocess.run(
        [sys.executable, "-c", call], cwd=ROOT / "tests",
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert one == two
    assert str(one) == three.stdout.strip().splitlines()[-1]
    network = ir.read(tmp_path / "one")
    names = {operation.get_friendly_name() for operation in network.get_ordered_ops()}
    assert names >= NAMED
    assert [port.names for port in network.outputs] == [{"last_hidden_state"}]
    assert [port.names for port in network.inputs] == [{"input_ids"}, {"attention_mask"}]


def test_an_output_that_differs_is_refused_and_padding_may() -> None:
    example = {
        "input_ids": np.ones((2, 3), int),
        "attention_mask": np.array([[1, 1, 1], [1, 0, 0]]),
    }
    wanted = np.full((2, 3, 4), 10.0, np.float32)
    padded, near, far, lost = (wanted.copy() for _ in range(4))
    padded[1, 2], near[0, 2, 1], far[0, 2, 1], lost[0, 0, 0] = np.nan, 10.0009, 10.01, np.nan
    check = functools.partial(_program._check_output, "logits")

    check(padded, wanted, example)
    check(near, wanted, example)

    for other in (far, lost, wanted[:1]):
        with pytest.raises(ExportError, match="output 'logits' (differs|has)"):
            check(other, wanted, example)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A ModernBERT with a head, and what it gives of texts without labels."""
    folder = tmp_path_factory.mktemp("modernbert")
    modernbert("ModernBertForSequenceClassification", folder / "source")
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    model = model_of("text-classification", f"file:{folder / 'source'}", folder / "texts.txt")
    return Built(model, folder / "source", folder)


def dinov2() -> torch.nn.Module:
    sizes = {name: size for name, size in SIZES.items() if name != "vocab_size"}
    config = transformers.Dinov2Config(**sizes, image_size=SIDE, patch_size=8, num_labels=3)
    return transformers.Dinov2ForImageClassification(config)


def convnext() -> torch.nn.Module:
    config = transformers.ConvNextV2Config(
        hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], image_size=SIDE, num_labels=3
    )
    return transformers.ConvNextV2ForImageClassification(config)


@pytest.mark.soak
@pytest.mark.parametrize("make", [dinov2, convnext])
def test_a_model_of_pictures_takes_them_at_one_size(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = make()
    network.save_pretrained(tmp_path / "source")
    processor = transformers.ViTImageProcessor(size={"height": SIDE, "width": SIDE})
    processor.save_pretrained(tmp_path / "source")
    model = entry(tmp_path / "source", "image-classification", validation=None)

    built = Built(model, tmp_path / "source", tmp_path)

    (taken,) = ir.read(built.folder).inputs
    assert taken.partial_shape.to_string() == f"[?,3,{SIDE},{SIDE}]"
    assert built.unmet(built.folder, 32) == set()
    brought.row(
        "Without optimum-intel",
        f"{type(network).__name__} at fp32",
        "an artifact for pictures of one size, conversion only (random weights); meets the default "
        "gate",
    )


@pytest.mark.soak
@pytest.mark.parametrize("name", ["fp32", "fp16", "int8_weights", "int8"])
def test_a_classifier_becomes_each_precision(classifier: Built, name: str, tmp_path: Path) -> None:
    precision = kinds.load("precision", name)
    calibration = classifier.reference / samples.INPUTS

    quantize.convert(classifier.folder, name, {}, calibration, tmp_path / "ir")

    unmet = classifier.unmet(tmp_path / "ir", precision.BITS)
    assert unmet == set() or precision.BITS < 16
    brought.row(
        "Without optimum-intel",
        f"ModernBertForSequenceClassification at {name}",
        "an artifact, conversion only (random weights)"
        + ("; meets the default gate" if not unmet else ""),
    )
