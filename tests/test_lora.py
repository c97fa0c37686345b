"""LoRA adapters on the artifact of a small Llama: openvino.genai finds their layers by name."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from canonical_models import PROMPT, Made, llama, llama_int8, llama_network, written

from pipeline.networks import ir

RANK = 4
ADAPTED = {"q_proj": 64, "v_proj": 32}  # the size of what each gives
TOKENS = 16
# In a child, because openvino.genai tells of adapters on standard error alone.
GENERATE = """
import json, sys
import numpy as np
import openvino as ov
import openvino_genai as genai

folder, path, prompt, tokens, *alphas = json.loads(sys.argv[1])
adapter = genai.Adapter(path)
pipeline = genai.LLMPipeline(
    folder, "CPU", adapters=genai.AdapterConfig(adapter), ATTENTION_BACKEND="SDPA",
    INFERENCE_PRECISION_HINT="f32", DYNAMIC_QUANTIZATION_GROUP_SIZE=0,
)
ids = np.array([prompt])
inputs = genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
for alpha in alphas:
    config = genai.AdapterConfig() if alpha is None else genai.AdapterConfig(adapter, alpha)
    found = pipeline.generate(
        inputs, max_new_tokens=tokens, do_sample=False, ignore_eos=True, adapters=config
    )
    print(json.dumps(found.tokens[0]))
"""


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the query and value projections, as peft saves it."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    tensors = {}
    for layer in range(2):
        for module, size in ADAPTED.items():
            key = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            tensors[f"{key}.lora_A.weight"] = 0.3 * torch.randn(RANK, 64)
            tensors[f"{key}.lora_B.weight"] = 0.3 * torch.randn(size, RANK)
    path = tmp_path_factory.mktemp("adapter") / "adapter_model.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module", params=[llama, llama_int8])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Llama as canonical IR, at fp32 and with int8 weights."""
    return made(request.param, tmp_path_factory.mktemp("artifact") / "ir")


def made(make: Callable[[Path], Made], folder: Path) -> Path:
    written(make, folder)
    llama_network().config.save_pretrained(folder)
    return folder


def generated(folder: Path, adapter: Path, *alphas: float | None) -> tuple[list[list[int]], str]:
    """The greedy ids by openvino.genai at each alpha (None: without), and its standard error."""
    arguments = json.dumps([str(folder), str(adapter), PROMPT, TOKENS, *alphas])
    done = subprocess.run(
        [sys.executable, "-c", GENERATE, arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def by_torch(folder: Path, adapter: Path, alpha: float) -> list[int]:
    """The greedy ids by PyTorch, with the IR's weights and the adapter merged into them."""
    import torch
    from safetensors.torch import load_file

    network = llama_network()
    weights = network.state_dict()
    weights |= {key: torch.from_numpy(array) for key, array in dequantized(folder).items()}
    tensors = load_file(adapter)
    for key in (key for key in tensors if "lora_A" in key):
        target = key.removeprefix("base_model.model.").replace(".lora_A", "")
        product = tensors[key.replace("lora_A", "lora_B")] @ tensors[key]
        weights[target] = weights[target] + alpha * product
    network.load_state_dict(weights)
    ids = torch.tensor([PROMPT])
    found = network.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False,
        eos_token_id=None,
    )  # fmt: skip
    return [int(token) for token in found[0, len(PROMPT) :]]


def dequantized(folder: Path) -> dict[str, Any]:
    """The weights that the IR holds at int8, as floats, by their name in the state."""
    nodes = {node.get_friendly_name(): node for node in ir.read(folder).get_ops()}
    return {
        name.removeprefix("self."): node.data.astype(np.float32) * nodes[f"{name}/scale"].data
        for name, node in nodes.items()
        if f"{name}/scale" in nodes
    }


@pytest.mark.soak
def test_an_adapter_gives_what_pytorch_gives_with_it_merged(artifact: Path, adapter: Path) -> None:
    (full, half, none, without), told = generated(artifact, adapter, 1.0, 0.5, 0.0, None)

    assert full == by_torch(artifact, adapter, 1.0)
    assert half == by_torch(artifact, adapter, 0.5)
    assert none == without == by_torch(artifact, adapter, 0.0)
    assert len({tuple(ids) for ids in (full, half, none)}) == 3
    assert "lora" not in told.lower()


@pytest.mark.soak
def test_an_adapter_finds_nothing_where_operations_are_numbered(
    tmp_path: Path, adapter: Path
) -> None:
    folder = made(llama, tmp_path / "ir")
    model = ir.read(folder)
    for place, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")
    numbered = tmp_path / "numbered"
    numbered.mkdir()
    (numbered / "config.json").write_bytes((folder / "config.json").read_bytes())
    ov.serialize(model, numbered / "openvino_model.xml", numbered / "openvino_model.bin")

    (full, without), told = generated(numbered, adapter, 1.0, None)

    assert "lora" in told.lower()
    assert full == without
