"""What generates: the networks of an artifact say what the original says, token after token."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from built import Built
from test_checkpoints import WORDS, entry, words

from pipeline.networks import ir, samples
from pipeline.steps import quantize

V = len(WORDS)
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TEXTS = ["A short one.", "the longer text of texts of the text", "short short", "a"]
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "max_position_embeddings": 128, "vocab_size": V,
}  # fmt: skip
IDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1}


def llama() -> Any:
    config = transformers.LlamaConfig(
        hidden_size=32, **LAYERS, num_key_value_heads=1, vocab_size=V, **IDS
    )
    return transformers.LlamaForCausalLM(config)


def gpt2() -> Any:
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=2, vocab_size=V, n_positions=64, **IDS
    )
    return transformers.GPT2LMHeadModel(config)


def bloom() -> Any:
    config = transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=2, vocab_size=V, **IDS)
    return transformers.BloomForCausalLM(config)


def t5() -> Any:
    config = transformers.T5Config(
        d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, vocab_size=V,
        decoder_start_token_id=1, eos_token_id=3, pad_token_id=1,
    )  # fmt: skip
    return transformers.T5ForConditionalGeneration(config)


def bart() -> Any:
    config = transformers.BartConfig(
        **BART, **IDS, decoder_start_token_id=3, forced_bos_token_id=2, forced_eos_token_id=None
    )
    return transformers.BartForConditionalGeneration(config)


def mbart() -> Any:
    config = transformers.MBartConfig(**BART, **IDS, decoder_start_token_id=3)
    return transformers.MBartForConditionalGeneration(config)


MODELS = [
    pytest.param(llama, "text-generation", id="llama"),
    pytest.param(gpt2, "text-generation", id="gpt2"),
    pytest.param(bloom, "text-generation", id="bloom"),
    pytest.param(t5, "text2text-generation", id="t5"),
    pytest.param(bart, "text2text-generation", id="bart"),
    pytest.param(mbart, "text2text-generation", id="mbart"),
]


def bring(make: Callable[[], Any], task: str, folder: Path) -> Built:
    """A random model's fp32 artifact, and its reference on data with labels."""
    torch.manual_seed(0)
    source = folder / "source"
    make().eval().save_pretrained(source)
    words(source)
    data = folder / ("data.tsv" if task == "text2text-generation" else "data.txt")
    rows = [f"{text}\t{text}" for text in TEXTS] if data.suffix == ".tsv" else TEXTS
    header = ["text\ttarget"] if data.suffix == ".tsv" else []
    data.write_text("\n".join(header + rows) + "\n")
    return Built(entry(source, task, validation=str(data)), source, folder)


@pytest.mark.soak
@pytest.mark.parametrize(("make", "task"), MODELS)
def test_an_artifact_says_what_the_original_says(
    make: Callable[[], Any], task: str, tmp_path: Path
) -> None:
    built = bring(make, task, tmp_path)

    figures = built.accuracy(built.folder).executions[0].bounded()

    assert figures["token_agreement"] == 1
    assert figures["kl_mean"] < 1e-6
    assert abs(figures["perplexity_drop"]) < 1e-3


@pytest.mark.soak
@pytest.mark.parametrize("precision", ["fp16", "int8", "int8_weights"])
@pytest.mark.parametrize(("make", "task"), [MODELS[0], MODELS[3]])
def test_every_network_is_quantized_on_what_it_saw(
    make: Callable[[], Any], task: str, precision: str, tmp_path: Path
) -> None:
    built = bring(make, task, tmp_path)
    fed = built.reference / samples.INPUTS
    options = {"model_type": "transformer"} if precision == "int8" else {}

    told = quantize.convert(built.folder, precision, options, fed, tmp_path / "made")

    assert sorted(told["weights"]) == ir.networks(built.folder)
    figures = built.accuracy(tmp_path / "made").executions[0].bounded()
    assert figures["kl_mean"] < 0.05
    assert figures["token_agreement"] > 0.9
