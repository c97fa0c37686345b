"""Sound: what data sets of it hold, what models hear, and what they say was said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import audible
import brought
import numpy as np
import openvino_genai
import pytest
import soundfile
import torch
import transformers
from built import Built, model_of
from trained import Trained

from pipeline import kinds
from pipeline.errors import DataError
from pipeline.networks import ir, samples
from pipeline.steps import calibration, quantize
from pipeline.tasks import _audio, _ctc, _transcripts

CLASSIFIERS = {
    "HubertForSequenceClassification": audible.hubert_classifier,
    "ASTForAudioClassification": audible.ast_classifier,
    "WhisperForAudioClassification": audible.whisper_classifier,
}
RECOGNISERS = {
    "Wav2Vec2ForCTC": audible.wav2vec2_ctc,
    "WhisperForConditionalGeneration": audible.whisper,
}
TASKS = {
    **dict.fromkeys(CLASSIFIERS, "audio-classification"),
    **dict.fromkeys(RECOGNISERS, "automatic-speech-recognition"),
}


# Data


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_file_is_heard_in_mono_at_the_rate_of_the_model(ending: str, tmp_path: Path) -> None:
    time = np.arange(44_100) / 44_100
    left = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / f"a.{ending}", np.stack([left, 0 * left], axis=1), 44_100)

    heard = _audio.sound(tmp_path / f"a.{ending}", 16_000)

    wanted = 0.25 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    middle = slice(4_000, 12_000)
    assert abs(len(heard) - 16_000) < 1_500  # mp3 pads
    assert heard.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(heard[middle]))
    assert spectrum.argmax() == 220  # of half a second
    assert np.std(heard[middle]) == pytest.approx(np.std(wanted), rel=0.05)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (b"no sound at all", "a.wav: no sound that can be read"),
        (b"", "a.wav: no sound that can be read"),
        ((np.zeros(100), 16_000), "a.wav: 0.00625 s in 1 channels: want 0.1 to 600 s"),
        ((np.zeros(700_000), 1_000), "a.wav: 700 s in 1 channels: want 0.1 to 600 s"),
        ((np.zeros(1_000), 10), "a.wav: 10 samples per second: want 1000 to 384000"),
    ],
)
def test_what_is_no_sound_that_fits_is_named(made: Any, message: str, tmp_path: Path) -> None:
    if isinstance(made, bytes):
        (tmp_path / "a.wav").write_bytes(made)
    else:
        soundfile.write(tmp_path / "a.wav", *made)

    with pytest.raises(DataError, match=message):
        _audio.sound(tmp_path / "a.wav", 16_000)


def test_sounds_that_a_recogniser_would_cut_off_are_refused(tmp_path: Path) -> None:
    transformers.WhisperFeatureExtractor(chunk_length=2).save_pretrained(tmp_path)
    soundfile.write(tmp_path / "a.wav", np.zeros(24_000), 8_000)
    task = kinds.load("task", "audio-classification")
    items, model = task.items(tmp_path), model_of("audio-classification", "file:x", "none")

    (cut,) = _audio.encode(items, tmp_path, model, None)

    assert cut["input_features"].shape == (1, 80, 200)
    with pytest.raises(DataError, match=r"a\.wav: 3 s: the model hears 2 s at once"):
        _audio.encode(items, tmp_path, model, None, whole=True)


def test_invented_sounds_are_the_same_for_the_same_seed() -> None:
    first, again, other = (_audio.sound(seed, 16_000) for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first[:16_000], other[:16_000])
    assert np.abs(first).max() < 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.wav\thello", r"transcripts\.tsv:3: file 'b\.wav': want a sound in the folder"),
        ("../a.wav\thello", r"transcripts\.tsv:3: file '\.\./a\.wav': want a sound in the folder"),
        ("/a.wav\thello", r"transcripts\.tsv:3: file '/a\.wav': want a sound in the folder"),
        ("a.wav\t[noise]", r"transcripts\.tsv:3: text '\[noise\]': want what is said"),
        ("a.wav", r"transcripts\.tsv:3: want file, text"),
    ],
)
def test_the_first_wrong_line_of_transcripts_is_named(
    row: str, message: str, tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / "a.wav", np.zeros(8_000), 8_000)
    written = f"file\ttext\na.wav\thello\n{row}\n"
    (tmp_path / "data" / "transcripts.tsv").write_text(written)

    with pytest.raises(DataError, match=message):
        _transcripts.items(tmp_path / "data")


def test_error_rates_count_the_whole_corpus_without_case_and_punctuation() -> None:
    items = kinds.load("task", "automatic-speech-recognition")
    said = [items.Item("a", "One, two three."), items.Item("b", "Four")]
    expected, measured = ["one two three", "FOUR!"], ["one too three", "four five"]

    figures = {f.metric: f for f in _transcripts.judge(said, expected, measured)}

    wer = figures["wer"]
    assert (wer.value, wer.reference) == (2 / 4, 0)
    assert wer.drop is not None
    assert wer.drop.value == 2 / 4
    assert figures["cer"].value == (1 + 5) / (13 + 4)
    assert figures["transcript_agreement"].value == 0


# Models


def bring(make: Callable[[Path], None], task: str, folder: Path) -> Built:
    """A random model's fp32 artifact and reference, with sounds in three folders by their kind."""
    torch.manual_seed(0)
    data = folder / "sounds"
    audible.sounds(data, 1, 0)
    (folder / "source").mkdir()
    make(folder / "source")
    return Built(model_of(task, "file:x", data), folder / "source", folder)


def quantized(built: Built, precision: str, folder: Path) -> Path:
    """An artifact at another precision, calibrated on invented sounds."""
    task = kinds.load("task", built.model.task)
    options, _ = task.resolve(built.model, built.source)
    items = task.invent(built.source, built.model, options, 4, calibration.SEED)
    inputs = task.encode(items, built.source, built.model, options)
    samples.save(inputs, folder / f"{precision}.npz")
    chosen = {"model_type": "transformer"} if precision == "int8" else {}
    quantize.convert(
        built.folder, precision, chosen, folder / f"{precision}.npz", folder / precision
    )
    return folder / precision


@pytest.mark.soak
@pytest.mark.parametrize("name", TASKS)
def test_a_random_model_comes_through_at_every_precision(name: str, tmp_path: Path) -> None:
    built = bring((CLASSIFIERS | RECOGNISERS)[name], TASKS[name], tmp_path)

    whole = built.accuracy(built.folder).executions[0].bounded()
    others = {
        precision: built.accuracy(quantized(built, precision, tmp_path)).executions[0].bounded()
        for precision in ("fp16", "int8", "int8_weights")
    }

    same = "token_agreement" if name in RECOGNISERS else "agreement"
    assert whole[same] == 1
    assert whole["kl_mean"] < 1e-6
    assert others["fp16"]["kl_mean"] < 1e-3
    assert others["int8_weights"]["kl_mean"] < 0.05
    assert others["int8"]["kl_mean"] < 1
    networks = ", ".join(ir.networks(built.folder))
    brought.row(
        "Sound",
        f"{name}, {TASKS[name]}",
        f"conversion only (random weights): {networks} at fp32, fp16, int8, int8_weights",
    )


@pytest.mark.soak
def test_ctc_reads_outputs_as_the_tokenizer_of_the_repository(tmp_path: Path) -> None:
    built = bring(audible.wav2vec2_ctc, "automatic-speech-recognition", tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(built.source)
    pieces = _ctc.reading(built.model, built.source).pieces

    outputs = [one["logits"][0] for one in samples.load(built.reference / samples.OUTPUTS)]

    wanted = [tokenizer.decode(logits.argmax(axis=-1)) for logits in outputs]
    assert [_ctc.text(logits, pieces) for logits in outputs] == wanted
    assert len(set(wanted)) > 1


@pytest.mark.soak
def test_an_artifact_of_trained_weights_hears_what_the_original_hears(
    kinds_of_sound: Trained, tmp_path: Path
) -> None:
    sounds = kinds_of_sound
    model = model_of("audio-classification", f"file:{sounds.model}", sounds.validation)
    built = Built(model, sounds.model, tmp_path)
    for precision in ("fp32", "fp16", "int8_weights"):
        folder = built.folder if precision == "fp32" else quantized(built, precision, tmp_path)
        figures = built.accuracy(folder).executions[0].bounded()
        assert figures["accuracy"] > 0.9
        assert figures["accuracy_drop"] <= 0.01

    brought.row(
        "Sound",
        "AST, trained on synthetic sounds of five kinds, 200 of which judge it",
        "trained, synthetic data: over 0.9 right; fp32, fp16, int8_weights lose at most 0.01",
    )


# Consumers


@pytest.mark.soak
@pytest.mark.parametrize("name", ["ASTForAudioClassification", "Wav2Vec2ForCTC"])
def test_an_artifact_loads_with_optimum_intel(name: str, tmp_path: Path) -> None:
    from optimum.intel import OVModelForAudioClassification, OVModelForCTC

    classes = {"Wav2Vec2ForCTC": OVModelForCTC}
    built = bring((CLASSIFIERS | RECOGNISERS)[name], TASKS[name], tmp_path)
    loader = classes.get(name, OVModelForAudioClassification)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    network = loader.from_pretrained(built.folder, ov_config=config, export=False)

    outputs = samples.load(built.reference / samples.OUTPUTS)
    for fed, wanted in zip(samples.load(built.reference / samples.INPUTS), outputs, strict=True):
        given = {"input_values": torch.from_numpy(fed["input_values"])}
        logits = network(**given, attention_mask=None).logits
        assert np.allclose(np.asarray(logits), wanted["logits"], atol=1e-4)


@pytest.mark.soak
def test_whisper_says_the_same_in_optimum_intel_and_openvino_genai(tmp_path: Path) -> None:
    from optimum.intel import OVModelForSpeechSeq2Seq

    torch.manual_seed(0)
    audible.sounds(tmp_path / "sounds", 1, 0)
    audible.whisper(tmp_path / "source")
    entry = model_of("automatic-speech-recognition", "file:x", tmp_path / "sounds")
    entry = entry.model_copy(update={"options": {"language": "de"}})
    built = Built(entry, tmp_path / "source", tmp_path)
    exactly = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    optimum = OVModelForSpeechSeq2Seq.from_pretrained(built.folder, ov_config=exactly, export=False)
    genai = openvino_genai.WhisperPipeline(built.folder, "CPU", **exactly)
    tokenizer = transformers.AutoTokenizer.from_pretrained(built.source)

    heard = samples.load(built.reference / samples.OUTPUTS)
    inputs = samples.load(built.reference / samples.INPUTS)
    for file, fed, wanted in zip(
        _transcripts.items(tmp_path / "sounds"), inputs, heard, strict=True
    ):
        features = torch.from_numpy(fed["input_features"])
        said = optimum.generate(features, language="de", task="transcribe")[0]
        text = tokenizer.decode(wanted["heard"], skip_special_tokens=True)
        assert tokenizer.decode(said, skip_special_tokens=True) == text
        wave = _audio.sound(file.input, audible.RATE)
        spoken = genai.generate(wave.tolist(), language="<|de|>", task="transcribe")
        assert spoken.texts[0] == text
