"""Pictures and texts to texts: LLaVA comes through, and no other kind."""

import json
import re
from pathlib import Path
from typing import Any

import brought
import numpy as np
import openvino
import openvino_genai
import pytest
import torch
import transformers
from audible import of_bytes
from built import AtF32, model_of
from pictures import END, IMAGE, draw, llava
from PIL import Image
from test_tasks import damaged, permuted, rewritten, shifted

from pipeline.errors import DataError, ExportError
from pipeline.networks import ir, samples
from pipeline.networks.session import Session
from pipeline.steps import quantize
from pipeline.tasks import Item, _generation, image_text_to_text

TASK = "image-text-to-text"
SECTION = "Pictures and texts"
EXACTLY = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
NETWORKS = [ir.LANGUAGE, ir.TEXT_EMBEDDINGS, ir.VISION_EMBEDDINGS]
PRECISIONS = {"fp16": 1e-5, "int8": 0.1, "int8_weights": 0.005, "int4_sym": 0.2}  # kl_mean below
ROWS = (
    "file\ttext\ttarget",
    "ant/0.png\tthe longer text of texts\ta short one",
    "ant/1.png\ta short <image> text .\tlonger text",
    "bee/0.png\tshort\tthe text of texts .",
)


def data(folder: Path) -> Path:
    draw(folder, ("ant", "bee"), 2)
    (folder / "prompts.tsv").write_text("\n".join(ROWS) + "\n")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> AtF32:
    folder = tmp_path_factory.mktemp("llava")
    torch.manual_seed(0)
    llava(folder / "source")
    model = model_of(TASK, f"file:{folder / 'source'}", data(folder / "data"))
    return AtF32(model, folder / "source", folder)


def figures(built: AtF32, folder: Path) -> dict[str, float]:
    return built.accuracy(folder).executions[0].bounded()


@pytest.mark.soak
def test_a_llava_comes_through_at_each_precision(built: AtF32, tmp_path: Path) -> None:
    whole = figures(built, built.folder)
    fed = built.reference / samples.INPUTS
    for precision in PRECISIONS:
        quantize.convert(built.folder, precision, {}, fed, tmp_path / precision)
    found = {p: figures(built, tmp_path / p)["kl_mean"] for p in PRECISIONS}

    assert ir.networks(built.folder) == NETWORKS
    assert built.unmet(built.folder, 32) == set()
    assert whole["token_agreement"] == whole["tokenizer_agreement"] == 1
    assert whole["kl_mean"] < 1e-6
    assert abs(whole["perplexity_drop"]) < 1e-2
    assert {p for p, bound in PRECISIONS.items() if found[p] > bound} == set()
    brought.row(
        SECTION,
        f"LlavaForConditionalGeneration with a tower of CLIP, {TASK}",
        f"conversion only (random weights): {', '.join(NETWORKS)} at fp32, {', '.join(PRECISIONS)}",
    )


@pytest.mark.soak
def test_optimum_intel_generates_of_an_artifact_what_the_original_does(built: AtF32) -> None:
    from optimum.intel import OVModelForVisualCausalLM

    loaded = OVModelForVisualCausalLM.from_pretrained(built.folder, export=False, ov_config=EXACTLY)
    original = transformers.LlavaForConditionalGeneration.from_pretrained(built.source)
    inputs = samples.load(built.reference / samples.INPUTS)
    outputs = samples.load(built.reference / samples.OUTPUTS)

    for fed, wanted in zip(inputs, outputs, strict=True):
        prompt = spread(fed["input_ids"], original.config.image_token_id)
        settings = {
            "pixel_values": torch.from_numpy(fed["pixel_values"]),
            "attention_mask": torch.ones_like(prompt),
            "max_new_tokens": len(wanted["tokens"]),
            "do_sample": False,
        }
        said = [model.generate(prompt, **settings)[0] for model in (loaded, original)]
        for tokens in said:
            assert tokens[prompt.shape[1] :].tolist() == wanted["tokens"].tolist()


@pytest.mark.soak
def test_openvino_genai_generates_of_an_artifact_what_the_original_does(built: AtF32) -> None:
    settings = openvino_genai.GenerationConfig(
        max_new_tokens=_generation.NEW_TOKENS, apply_chat_template=False
    )
    served = openvino_genai.VLMPipeline(built.folder, "CPU", **EXACTLY)
    tokenizer = transformers.AutoTokenizer.from_pretrained(built.source)
    picture, text = image_text_to_text.items(Path(built.model.validation.place))[0].input
    pixels = openvino.Tensor(np.array(Image.open(picture).convert("RGB"))[None])

    said = served.generate(text, images=[pixels], generation_config=settings)

    wanted = samples.load(built.reference / samples.OUTPUTS)[0]["tokens"]
    assert said.texts[0] == tokenizer.decode(wanted, skip_special_tokens=True)


def spread(tokens: Any, image: int) -> torch.Tensor:
    """Tokens with 16 of a picture in the place of one."""
    place = int((tokens[0] == image).argmax())
    return torch.from_numpy(np.insert(tokens, [place] * 15, image, axis=1).astype(np.int64))


@pytest.mark.soak
@pytest.mark.parametrize("network", NETWORKS)
def test_one_layer_with_permuted_weights_is_refused(
    network: str, built: AtF32, tmp_path: Path
) -> None:
    folder = damaged(built, tmp_path, lambda copy: rewritten(copy, network, permuted))

    assert built.unmet(folder) & {"kl_mean", "token_agreement"}


@pytest.mark.soak
def test_a_tokenizer_that_is_one_id_off_is_refused(built: AtF32, tmp_path: Path) -> None:
    folder = damaged(built, tmp_path, lambda copy: rewritten(copy, ir.TOKENIZER, shifted))

    assert built.unmet(folder) == {"tokenizer_agreement"}


@pytest.mark.soak
def test_a_benchmark_makes_as_many_tokens_as_it_asks_for_of_a_batch(built: AtF32) -> None:
    options, _ = image_text_to_text.resolve(built.model, built.source)
    sizes = image_text_to_text.Sizes(batch=2, prompt=8, new_tokens=5)
    fed = image_text_to_text.sized(built.source, built.model, options, sizes)
    sessions = {name: Session(ir.read(built.folder, name)) for name in NETWORKS}

    made = image_text_to_text.run(sessions, fed, options)

    assert fed["input_ids"].shape == (2, 9)
    assert made == {"calls": np.array([5])}


@pytest.mark.parametrize(
    "config",
    [
        transformers.Gemma3Config,
        transformers.Idefics3Config,
        transformers.Qwen2VLConfig,
    ],
)
def test_another_kind_is_refused(config: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": config.model_type}))

    with pytest.raises(ExportError) as refused:
        image_text_to_text.resolve(model_of(TASK, "file:x", "none"), tmp_path)

    brought.row(
        SECTION,
        f"{config.__name__.removesuffix('Config')}, {TASK}",
        f"refused: {str(refused.value).removeprefix('file:x: ')}",
    )


def test_a_picture_without_a_text_is_to_be_described(tmp_path: Path) -> None:
    draw(tmp_path, ("ant",), 2)

    items = image_text_to_text.items(tmp_path)

    assert items == [
        ((tmp_path / "ant" / f"{number}.png", "Describe the picture."), None) for number in range(2)
    ]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("../0.png\ta\ta", "prompts.tsv:2: file '../0.png': want a picture in the folder"),
        ("1.png\ta\ta", "prompts.tsv:2: file '1.png': want a picture in the folder"),
    ],
)
def test_a_prompt_of_no_picture_is_refused(row: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "prompts.tsv").write_text(f"{ROWS[0]}\n{row}\n{row}\n")

    with pytest.raises(DataError, match=re.escape(line)):
        image_text_to_text.items(tmp_path)


def test_a_text_with_two_pictures_is_refused(tmp_path: Path) -> None:
    of_bytes([END, IMAGE]).save_pretrained(tmp_path)
    transformers.CLIPImageProcessorPil().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llava"}')
    model = model_of(TASK, "file:x", "none")
    options = image_text_to_text.Resolved(
        max_length=20, image_token=IMAGE, image_token_id=257, end_token_ids=(256,)
    )

    with pytest.raises(DataError, match="2 of '<image>' in its first 20 tokens: want 1"):
        image_text_to_text.encode([Item((0, f"{IMAGE}{IMAGE}"))], tmp_path, model, options)
