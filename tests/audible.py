"""Small models of sound with random weights, in Hugging Face folders, and sounds to feed them.

Their weights are large enough that what comes out depends on what is heard.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from pipeline.networks.tensors import Vector

RATE = 16_000
KINDS = ("falling", "hum", "noise", "pulses", "rising")
LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
_TRANSFORMER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.2,
}
_WAVES = {
    **_TRANSFORMER,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embedding_groups": 4,
    "num_conv_pos_embeddings": 16,
    "classifier_proj_size": 16,
    "initializer_range": 0.05,
}
_WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 64,
    "init_std": 0.1,
    "classifier_proj_size": 16,
}
_LABELS: dict[str, Any] = {"id2label": dict(enumerate(KINDS))}


def hubert_classifier(folder: Path) -> None:
    config = transformers.HubertConfig(**_WAVES, **_LABELS)
    transformers.HubertForSequenceClassification(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def ast_classifier(folder: Path) -> None:
    bands = {"max_length": 128, "num_mel_bins": 32}
    config = transformers.ASTConfig(**_TRANSFORMER, **_LABELS, **bands)
    transformers.ASTForAudioClassification(config).save_pretrained(folder)
    transformers.ASTFeatureExtractor(**bands).save_pretrained(folder)


def whisper_classifier(folder: Path) -> None:
    config = transformers.WhisperConfig(**_WHISPER, **_LABELS)
    transformers.WhisperForAudioClassification(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)


def wav2vec2_ctc(folder: Path) -> None:
    config = transformers.Wav2Vec2Config(**_WAVES, vocab_size=len(LETTERS))
    transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    _letters(folder)


def _letters(folder: Path) -> None:
    path = folder / "vocab.json"
    path.write_text(json.dumps({letter: place for place, letter in enumerate(LETTERS)}))
    transformers.Wav2Vec2Processor(
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
        tokenizer=transformers.Wav2Vec2CTCTokenizer(str(path)),
    ).save_pretrained(folder)


def whisper(folder: Path, *, many_languages: bool = True) -> None:
    """A Whisper that stops after a few tokens at most; its tokenizer is one of bytes."""
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>"]
    special += ["<|translate|>", "<|transcribe|>", "<|notimestamps|>"]
    tokenizer = of_bytes(special)
    ids = dict(zip(special, tokenizer.convert_tokens_to_ids(special), strict=True))
    ends = dict.fromkeys(("eos_token_id", "bos_token_id", "pad_token_id"), ids["<|endoftext|>"])
    start = {"decoder_start_token_id": ids["<|startoftranscript|>"]}
    config = transformers.WhisperConfig(**_WHISPER, **ends, **start, vocab_size=len(tokenizer))
    model = transformers.WhisperForConditionalGeneration(config)
    languages = {
        "lang_to_id": {name: ids[name] for name in ("<|en|>", "<|de|>")},
        "task_to_id": {name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")},
    }
    model.generation_config = transformers.GenerationConfig(
        **ends,
        **start,
        **(languages if many_languages else {}),
        is_multilingual=many_languages,
        max_length=20,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        return_timestamps=False,
        suppress_tokens=list(range(8)),
        begin_suppress_tokens=[ids["<|endoftext|>"], 10],
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)


def of_bytes(special: list[str]) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer with a token for each byte, and special ones, of which the first is the end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(special)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token=special[0])


def sounds(folder: Path, count: int, seed: int, *, rate: int = RATE) -> None:
    """Seeded sounds of each kind as `KIND/NUMBER.wav`: made here, and no recordings."""
    import soundfile

    drawn = np.random.default_rng(seed)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            heard = sound(kind, drawn, rate)
            soundfile.write(folder / kind / f"{number:03}.wav", heard, rate)


def sound(kind: str, drawn: np.random.Generator, rate: int = RATE) -> Vector:
    """A second of a tone that rises, falls, stays or comes in pulses, under noise; or of noise."""
    time = np.arange(rate) / rate
    slope = {"rising": 1, "falling": -1}.get(kind, 0) * drawn.uniform(300, 1500)
    pitch = drawn.uniform(200, 1500) - min(slope, 0)
    loud = 0 if kind == "noise" else drawn.uniform(0.1, 0.4)
    gate = np.sin(2 * np.pi * drawn.uniform(4, 8) * time) > 0 if kind == "pulses" else 1
    tone = np.sin(2 * np.pi * (pitch * time + slope * time**2 / 2) + drawn.uniform(0, 6))
    noise = drawn.uniform(0.01, 0.1) * drawn.standard_normal(rate)
    return np.clip(loud * gate * tone + noise, -1, 1)
