"""Small models of pictures with random weights, and pictures for them.

Their weights are those that torch draws: who compares figures seeds it (`torch.manual_seed`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LABELS = dict(enumerate(("ant", "bee", "cat", "dog", "eel", "fox", "gnu nu")))
SIDE = 32
_SQUARE = {"size": {"height": SIDE, "width": SIDE}}
_LAYERS = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
_VIT = {**_LAYERS, "image_size": SIDE, "patch_size": 8, "initializer_range": 0.3}
_RESNET: dict[str, Any] = {
    "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"
}  # fmt: skip
END, IMAGE = "</s>", "<image>"
_DETR = (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))


def vit(folder: Path) -> None:
    """A ViT that classifies."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    ViTForImageClassification(ViTConfig(**_VIT, id2label=LABELS)).save_pretrained(folder)
    ViTImageProcessorPil(**_SQUARE).save_pretrained(folder)


def resnet(folder: Path) -> None:
    """A ResNet that classifies; its processor crops."""
    from transformers import ConvNextImageProcessorPil, ResNetConfig, ResNetForImageClassification

    ResNetForImageClassification(ResNetConfig(**_RESNET, id2label=LABELS)).save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": SIDE}).save_pretrained(folder)


def segformer(folder: Path) -> None:
    """A SegFormer that names each place."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    from transformers.models.segformer.image_processing_pil_segformer import (
        SegformerImageProcessorPil,
    )

    config = SegformerConfig(
        hidden_sizes=[16, 16, 32, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=LABELS,
        initializer_range=0.3,
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessorPil(**_SQUARE).save_pretrained(folder)


def siglip(tokenizer: Path, folder: Path) -> None:
    """A SigLIP with the tokenizer of a CLIP."""
    from transformers import CLIPTokenizer, SiglipConfig, SiglipImageProcessorPil, SiglipModel

    tokens = CLIPTokenizer.from_pretrained(tokenizer)
    marks = {name: getattr(tokens, name) for name in ("pad_token_id", "eos_token_id")}
    text = {"vocab_size": len(tokens), "max_position_embeddings": 16, "projection_size": 32}
    vision = {"image_size": SIDE, "patch_size": 8}
    config = SiglipConfig(
        text_config={**_LAYERS, **text, **marks}, vision_config={**_LAYERS, **vision}
    )
    SiglipModel(config).save_pretrained(folder)
    tokens.save_pretrained(folder)
    SiglipImageProcessorPil(**_SQUARE).save_pretrained(folder)


def draw(folder: Path, labels: Sequence[str], count: int) -> Path:
    """`count` pictures of coloured fields for each label, as LABEL/NAME.png."""
    for place, label in enumerate(labels):
        for number in range(count):
            _picture(folder / label / f"{number}.png", place * count + number)
    return folder


def draw_with_masks(folder: Path, labels: int, count: int) -> Path:
    """`count` pictures and masks that name a label for each field, and none for the first."""
    for number in range(count):
        fields = np.random.default_rng(number).integers(0, labels, (4, 4)).astype(np.uint8)
        fields[0, 0] = 255
        _picture(folder / "pictures" / f"{number}.png", number)
        _save_picture(folder / "masks" / f"{number}.png", fields.repeat(12, 0).repeat(12, 1))
    return folder


def _picture(path: Path, seed: int) -> None:
    """4 x 4 fields of colour, 48 pixels wide and high."""
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    _save_picture(path, fields.repeat(12, 0).repeat(12, 1))


def _save_picture(path: Path, pixels: Any) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def detr(folder: Path) -> None:
    """A DETR on a ResNet, whose processor gives a mask too."""
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessorPil, ResNetConfig

    backbone = ResNetConfig(**{**_RESNET, "hidden_sizes": [32, 160]}, out_features=["stage2"])
    sides = {f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in _DETR}
    config = DetrConfig(
        use_timm_backbone=False,
        backbone_config=backbone,
        d_model=32,
        num_queries=5,
        id2label=LABELS,
        init_std=0.3,
        **sides,
    )
    DetrForObjectDetection(config).save_pretrained(folder)
    DetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)


def yolos(folder: Path) -> None:
    """A YOLOS."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

    sides = {**_VIT, "image_size": [SIDE, SIDE]}
    config = YolosConfig(**sides, num_detection_tokens=5, id2label=LABELS)
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessorPil(**_SQUARE).save_pretrained(folder)


def dinov2(folder: Path) -> None:
    """A DINOv2; its processor crops."""
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    sides = {name: size for name, size in _VIT.items() if name != "intermediate_size"}
    Dinov2Model(Dinov2Config(**sides)).save_pretrained(folder)
    crop = {"height": SIDE, "width": SIDE}
    BitImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=crop).save_pretrained(folder)


def draw_with_boxes(folder: Path, labels: Sequence[str], count: int) -> Path:
    """`count` pictures, in each of which COCO's annotations.json names two fields as objects."""
    boxes = [[0, 0, 12, 24], [24, 12, 24, 36]]
    pictures = [{"id": n, "file_name": f"{n}.png", "height": 48, "width": 48} for n in range(count)]
    objects = [
        {"id": 2 * n + k, "image_id": n, "category_id": (n + k) % len(labels) + 1, "bbox": box}
        for n in range(count)
        for k, box in enumerate(boxes)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(labels, start=1)]
    for picture in pictures:
        _picture(folder / str(picture["file_name"]), int(str(picture["id"])))
    told = {"images": pictures, "annotations": objects, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(told))
    return folder


def llava(folder: Path) -> None:
    """A LLaVA of random weights, with a tower of CLIP: 16 tokens of a picture of 32 pixels."""
    import transformers
    from audible import of_bytes

    tokenizer = of_bytes([END, IMAGE])
    tokenizer.save_pretrained(folder)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            **_LAYERS, image_size=SIDE, patch_size=8, initializer_range=0.2
        ),
        text_config=transformers.LlamaConfig(
            **_LAYERS,
            vocab_size=len(tokenizer),
            max_position_embeddings=128,
            initializer_range=0.2,
            eos_token_id=tokenizer.eos_token_id,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=16,
    )
    transformers.LlavaForConditionalGeneration(config).eval().save_pretrained(folder)
    side = {"height": SIDE, "width": SIDE}
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size=side
    ).save_pretrained(folder)


def qwen2_vl(folder: Path) -> None:
    """A Qwen2-VL, which is of another kind than LLaVA."""
    import transformers
    from audible import of_bytes

    tokenizer = of_bytes([END, IMAGE])
    tokenizer.save_pretrained(folder)
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    text = {"num_key_value_heads": 1, "vocab_size": len(tokenizer), "rope_parameters": rope}
    vision = {"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 32}
    config = transformers.Qwen2VLConfig(text_config={**_LAYERS, **text}, vision_config=vision)
    transformers.Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
