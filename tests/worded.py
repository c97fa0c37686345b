"""A tokenizer of a few words, and small models of these with random weights.

Their weights are those that torch draws: who compares figures seeds it (`torch.manual_seed`).
"""

from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

MARKS = ("unk", "pad", "cls", "sep", "mask")
WORDS = [f"[{mark.upper()}]" for mark in MARKS] + [
    "a", "short", "one", "text", "long", "the", "of", "##s", "##er", ".",
]  # fmt: skip
V = len(WORDS)
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "max_position_embeddings": 128, "vocab_size": V,
}  # fmt: skip
IDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1}


def words(folder: Path) -> None:
    """A WordPiece tokenizer of a few words."""
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token=WORDS[0]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = {f"{mark}_token": word for mark, word in zip(MARKS, WORDS, strict=False)}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(
        folder
    )


def fnet() -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
    return transformers.FNetModel(transformers.FNetConfig(**sizes, vocab_size=V))


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


def marian() -> Any:
    config = transformers.MarianConfig(**BART, **IDS, decoder_start_token_id=1)
    return transformers.MarianMTModel(config)
