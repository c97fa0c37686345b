"""What generates: the networks of an artifact say what the original says, token after token."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brought
import numpy as np
import pytest
import torch
from built import Built
from test_checkpoints import entry
from worded import bart, bloom, gpt2, llama, marian, mbart, t5, words

from pipeline.errors import ExportError
from pipeline.networks import description, ir, samples
from pipeline.networks.recording import Recording
from pipeline.networks.tensors import Array, Tensors
from pipeline.steps import quantize
from pipeline.tasks import _generation

TEXTS = ["A short one.", "the longer text of texts of the text", "short short", "a"]
F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
CLASSES = {"text-generation": "OVModelForCausalLM", "text2text-generation": "OVModelForSeq2SeqLM"}
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
    assert by_optimum(built)[0].tolist() == said_by_the_original(built)
    networks = ", ".join(ir.networks(built.folder))
    brought.row(
        "Generation",
        f"{architecture(built)} ({task})",
        f"conversion only (random weights): {networks}; {CLASSES[task]} gives the same tokens",
    )


def architecture(built: Built) -> str:
    return str(json.loads((built.source / "config.json").read_text())["architectures"][0])


def said_by_the_original(built: Built) -> list[int]:
    """What it goes on with after the first text."""
    found: list[int] = samples.load(built.reference / samples.OUTPUTS)[0]["tokens"].tolist()
    return found


def by_optimum(built: Built) -> Any:
    """The tokens that optimum-intel's class generates from the same, of shape (1, tokens)."""
    from optimum import intel

    model = getattr(intel, CLASSES[built.model.task]).from_pretrained(
        built.folder, export=False, ov_config=F32
    )
    inputs = samples.load(built.reference / samples.INPUTS)[0]
    given = {name: torch.from_numpy(inputs[name]) for name in ("input_ids", "attention_mask")}
    tokens = model.generate(**given, max_new_tokens=_generation.NEW_TOKENS, do_sample=False)
    begins = 1 if built.model.task == "text2text-generation" else given["input_ids"].shape[1]
    said = tokens[:, begins:]
    return said[:, len(forced(built)) :]


def forced(built: Built) -> tuple[int, ...]:
    """The tokens after the first that the original is told to begin with."""
    options = description.read(built.folder).options
    return tuple(options.get("start_token_ids", (0,))[1:])


@pytest.mark.soak
def test_what_the_library_no_longer_exports_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as raised:
        bring(marian, "text2text-generation", tmp_path)

    said = str(raised.value).partition("source: ")[2]
    assert said.startswith("optimum-intel: The current version of Transformers does not allow")
    brought.row("Generation", "MarianMTModel (text2text-generation)", f"refused: {said}")


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


class Counting:
    """A network that remembers how many tokens it was fed."""

    def __init__(self) -> None:
        self.fed = 0

    def __call__(self, inputs: Tensors) -> Tensors:
        self.fed += inputs["input_ids"].shape[1]
        return {"logits": np.eye(9, dtype=np.float32)[[[self.fed % 9]] * len(inputs["input_ids"])]}

    def reset(self) -> None:
        self.fed = 0


def ids(*tokens: int) -> Array:
    return np.array([tokens], np.int64)


def test_what_remembers_is_recorded_as_if_fed_at_once() -> None:
    wanted = ("input_ids", "attention_mask", "position_ids", "beam_idx")
    recording = Recording(Counting(), wanted, remembers=True)
    for prompt in (ids(4, 5), ids(6)):
        choose = _generation.greedy(3)
        list(_generation.spoken(_generation.remembering(recording), prompt, choose))

    first, second = recording.seen

    assert first["input_ids"].tolist() == [[4, 5, 2, 3]]
    assert first["attention_mask"].tolist() == [[1, 1, 1, 1]]
    assert first["position_ids"].tolist() == [[0, 1, 2, 3]]
    assert second["input_ids"].tolist() == [[6, 1, 2]]


def test_a_common_prefix_ends_at_the_first_other_token() -> None:
    assert _generation._prefix(np.array([1, 2, 3]), np.array([1, 9, 3])) == 1
    assert _generation._prefix(np.array([1, 2, 3]), np.array([1, 2, 3])) == 3


def test_the_divergence_of_what_is_kept_is_at_most_that_of_all() -> None:
    drawn = np.random.default_rng(0)
    expected, measured = (_generation._log_softmax(drawn.normal(size=(50, 500))) for _ in range(2))
    kept = _generation._top(expected)

    found = _generation._kl(*(np.take_along_axis(s, kept, axis=1) for s in (expected, measured)))

    whole = (np.exp(expected) * (expected - measured)).sum(axis=1)
    assert (found <= whole + 1e-6).all()
    assert (found > 0).all()


def test_a_barred_token_is_not_chosen() -> None:
    logits = np.array([[0.0, 3.0, 2.0]])

    assert _generation.best(logits).tolist() == [1]
    assert _generation.best(logits, (1,)).tolist() == [2]
