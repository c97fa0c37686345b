"""Artifacts on what people have: they make of it what the original makes of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import audible
import numpy as np
import pytest
import soundfile
import torch
import transformers
from built import SMALL, AtF32, Built, model_of, small
from conftest import ROOT
from pictures import detr, draw, draw_with_boxes, draw_with_masks, segformer, siglip, vit
from PIL import Image
from test_generation import bring, gpt2, t5
from test_image_text_to_text import data as prompts
from test_image_text_to_text import llava
from trained import DIGITS, Trained, digits_clip

from pipeline import kinds
from pipeline.errors import DataError, PipelineError, SpecError
from pipeline.networks import ir, samples, writer
from pipeline.runtime import generation, verified
from pipeline.runtime.loaded import Loaded
from pipeline.runtime.names import Located, Wanted, locate
from pipeline.runtime.texts import Detokenizer, Tokenizer
from pipeline.tasks import Item, Outcome, _pairs, _texts, _transcripts, _transformer

LABELS = {0: "ant", 1: "bee", 2: "cat"}
EXACT = {"rtol": 0, "atol": 1e-5}


def loaded(artifact: Path, execution: str = "f32") -> Loaded:
    """An artifact on the CPU, at fp32 execution."""
    return Loaded(locate(str(artifact), Wanted(execution=execution)), "CPU", execution=execution)


def data_of(built: Built) -> Path:
    """What it is judged on."""
    assert built.model.validation is not None
    return Path(built.model.validation.place)


def expected(built: Built, items: Sequence[Item], run: Loaded) -> list[Any]:
    """The answers that the original's outputs give."""
    task = kinds.load("task", built.model.task)
    inputs, outputs = (
        samples.load(built.reference / name) for name in (samples.INPUTS, samples.OUTPUTS)
    )
    read = run._feeding.read
    return [
        task.answer(Outcome(*one, run.options, read))
        for one in zip(items, inputs, outputs, strict=True)
    ]


def hold(answer: Any, wanted: Any, where: str = "") -> None:
    """Two answers are the same, numbers nearly."""
    if isinstance(wanted, dict):
        assert answer.keys() == wanted.keys()
        for key, part in wanted.items():
            hold(answer[key], part, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(answer) == len(wanted), where
        for number, part in enumerate(wanted):
            hold(answer[number], part, f"{where}[{number}]")
    elif isinstance(wanted, float | np.ndarray):
        np.testing.assert_allclose(answer, wanted, rtol=1e-3, atol=1e-4, err_msg=where)
    else:
        assert answer == wanted, where


# Texts to tokens


def words(folder: Path) -> Path:
    """MiniLM's WordPiece."""
    SMALL["text-classification"].save(folder)
    return folder


def marked(**marks: str) -> dict[str, str]:
    """Special tokens as tokenizers call them."""
    return {f"{name}_token": mark for name, mark in marks.items()}


def of_corpus(model: Any, trainer: Any, **named: Any) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer of a few hundred pieces of this project's own texts."""
    from tokenizers import Tokenizer as Trained
    from tokenizers import decoders, pre_tokenizers, processors

    made = Trained(model)
    if named.pop("is_bytes"):
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
    else:
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    lines = (ROOT / "data" / "prose.txt").read_text().splitlines()
    made.train_from_iterator(lines, trainer)
    post = named.pop("post")
    if post:
        made.post_processor = getattr(processors, post[0])(*post[1:])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **named)


def roberta(folder: Path) -> Path:
    """Byte-level BPE with two separators between the texts of a pair."""
    from tokenizers import models, pre_tokenizers, trainers

    marks = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=marks, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    of_corpus(
        models.BPE(), trainer, is_bytes=True, post=("RobertaProcessing", ("</s>", 2), ("<s>", 0)),
        **marked(cls="<s>", sep="</s>", pad="<pad>", unk="<unk>"),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def gpt(folder: Path) -> Path:
    """Byte-level BPE without special tokens, not even one that pads."""
    from tokenizers import models, pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    of_corpus(
        models.BPE(), trainer, is_bytes=True, post=None, **marked(eos="<end>")
    ).save_pretrained(folder)  # fmt: skip
    return folder


def unigram(folder: Path) -> Path:
    """Unigram with an end as T5 has it; texts are cut, and filled up, at the left."""
    from tokenizers import models, processors, trainers

    marks = ["<pad>", "</s>", "<unk>"]
    made = of_corpus(
        models.Unigram(),
        trainers.UnigramTrainer(vocab_size=400, special_tokens=marks, **marked(unk="<unk>")),
        is_bytes=False, post=None, **marked(eos="</s>", pad="<pad>", unk="<unk>"),
        padding_side="left", truncation_side="left",
    )  # fmt: skip
    made._tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    made.save_pretrained(folder)
    return folder


def tokenizers(source: Path, out: Path, count: int) -> verified.Held:
    """The IR of a tokenizer, as export writes it."""
    from openvino_tokenizers import convert_tokenizer

    made = convert_tokenizer(
        transformers.AutoTokenizer.from_pretrained(source),
        with_detokenizer=True,
        number_of_inputs=count,
    )
    out.mkdir()
    for name, model in zip((ir.TOKENIZER, ir.DETOKENIZER), made, strict=True):
        writer.write(model, out, name)
    (out / "tokenizer_config.json").write_bytes((source / "tokenizer_config.json").read_bytes())
    return verified.read(out)


TEXTS = ("A first text.", "", " ", "one", "and a much longer one, over and over, " * 9)
PAIRS = (("Who is it?", "It is I."), ("What", "a much longer one, over and over, " * 9))


@pytest.mark.parametrize("make", [words, roberta, gpt, unigram])
def test_a_text_is_cut_as_the_original_tokenizer_cuts_it(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = make(tmp_path / "source")
    model = model_of("text-classification", f"file:{source}", "none")
    options = _transformer.Resolved(max_length=16, padding_side="right")

    tokenize = Tokenizer(tokenizers(source, tmp_path / "one", 1))
    found = tokenize([(text,) for text in TEXTS], options)
    pairs = Tokenizer(tokenizers(source, tmp_path / "two", 2))(PAIRS, options)

    wanted = _texts.encode([Item(text) for text in TEXTS], source, model, options)
    wanted += _pairs.encode([Item(pair) for pair in PAIRS], source, model, options)
    for text, got, want in zip((*TEXTS, *PAIRS), [*found, *pairs], wanted, strict=True):
        for name, tokens in got.items():
            assert tokens.tolist() == want[name].tolist(), (text, name)


def test_a_first_text_that_leaves_no_room_for_the_second_is_refused(tmp_path: Path) -> None:
    tokenize = Tokenizer(tokenizers(words(tmp_path / "source"), tmp_path / "ir", 2))
    options = _transformer.Resolved(max_length=8, padding_side="right")

    with pytest.raises(DataError, match=r"'a a a.*': \d+ tokens: want fewer than max_length, 8"):
        tokenize([("a " * 20, "b")], options)


# Texts


def test_texts_of_several_lengths_have_the_vectors_that_they_have_alone(finished: Path) -> None:
    run = loaded(finished / "artifacts/ir/tiny-fp32")
    texts = ["A short one.", "", "and a much longer one, over and over, " * 30]

    together, alone = run(texts), [run(text)[0] for text in texts]

    assert [vector.shape for vector in together] == [(32,)] * 3
    np.testing.assert_allclose(together, alone, **EXACT)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, **EXACT)


def test_an_artifact_gives_what_the_reference_has_within_its_recorded_fidelity(
    finished: Path,
) -> None:
    artifacts = finished / "artifacts"
    run = loaded(artifacts / "ir/tiny-int8")
    inputs, outputs = (
        samples.load(artifacts / "reference/tiny" / name)
        for name in (samples.INPUTS, samples.OUTPUTS)
    )
    record = json.loads((artifacts / "accuracy/tiny-int8.json").read_text())
    recorded = {figure["metric"]: figure["value"] for figure in record["executions"][0]["figures"]}

    found = [run.infer(sample)["last_hidden_state"] for sample in inputs]

    worst = max(
        np.abs(a - b["last_hidden_state"]).max() for a, b in zip(found, outputs, strict=True)
    )
    assert worst == pytest.approx(recorded["max_abs_error"], rel=1e-4)


def test_the_infer_of_one_network_is_its_session_s_own(finished: Path) -> None:
    run = loaded(finished / "artifacts/ir/tiny-fp32")
    (session,) = run.sessions.values()

    assert run.infer == session.infer


@pytest.mark.parametrize(
    ("asked", "how", "message"),
    [
        (3, {}, "3: want a text, or a list of texts"),
        ("a", {"purpose": "query"}, r"purpose 'query': the artifact's are \[\]"),
        ("a", {"labels": ["b"]}, r"labels \['b'\]: feature-extraction chooses none"),
        ("a", {"settings": {"top_k": 1}}, "feature-extraction generates nothing"),
    ],
)
def test_what_a_task_does_not_take_is_said(
    asked: Any, how: dict[str, Any], message: str, finished: Path
) -> None:
    run = loaded(finished / "artifacts/ir/tiny-fp32")

    with pytest.raises(PipelineError, match=message):
        run(asked, **how)


def test_a_network_of_which_nobody_knows_the_task_runs_on_tensors_alone(
    finished: Path, tmp_path: Path
) -> None:
    held = verified.read(finished / "artifacts/ir/tiny-fp32")
    run = Loaded(Located(held, None, None, None, False, "a test"))

    assert "last_hidden_state" in run.infer({"input_ids": [[101, 102]]})
    with pytest.raises(SpecError, match="nothing says what it is for: want tensors"):
        run("a text")


GIVEN = {
    "text-classification": lambda row: row[1],
    "text-ranking": lambda row: (row[1], row[2]),
    "token-classification": lambda row: row[0],
    "question-answering": lambda row: (row[0], row[1]),
    "fill-mask": lambda row: row[1],
}


@pytest.mark.soak
@pytest.mark.parametrize("task", GIVEN)
def test_a_small_model_of_a_task_answers_as_the_original(task: str, tmp_path: Path) -> None:
    built = small(task, tmp_path, labelled=True)
    rows = [row.split("\t") for row in SMALL[task].rows[1:]]
    asked = [GIVEN[task](row) for row in rows]
    run = loaded(built.folder)

    found = run(asked)

    hold(found, expected(built, [Item(one) for one in asked], run))


# Pictures


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A ViT of random weights, and some pictures."""
    folder = tmp_path_factory.mktemp("seen")
    torch.manual_seed(0)
    vit(folder / "source")
    pictures = draw(folder / "pictures", ("ant", "bee"), 2)
    model = model_of("image-classification", f"file:{folder / 'source'}", pictures)
    return Built(model, folder / "source", folder)


def test_a_picture_is_the_same_as_a_path_in_memory_and_as_an_array(seen: Built) -> None:
    paths = sorted(data_of(seen).rglob("*.png"))
    run = loaded(seen.folder)
    pictures = [Image.open(path) for path in paths]
    arrays = [np.asarray(picture.convert("RGB")) for picture in pictures]

    found = run(paths)

    assert found == run(pictures) == run(arrays) == run(np.stack(arrays))
    hold(found, expected(seen, [Item(path) for path in paths], run))
    assert sum(one["score"] for one in found[0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (np.zeros((3, 32, 32), np.float32), r"shape \(3, 32, 32\) of float32: want a picture of"),
        ("nowhere.png", r"nowhere\.png: no picture that can be read"),
        (3, "3: want a path, a picture of Pillow or an array"),
    ],
)
def test_what_is_no_picture_is_said(asked: Any, message: str, seen: Built) -> None:
    with pytest.raises(DataError, match=message):
        loaded(seen.folder)(asked)


SIGHTS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], Path]]] = {
    "vectors": ("image-feature-extraction", vit, lambda f: draw(f, ("ant", "bee"), 2)),
    "DETR": ("object-detection", detr, lambda f: draw_with_boxes(f, ("ant", "bee"), 2)),
    "SegFormer": ("image-segmentation", segformer, lambda f: draw_with_masks(f, 3, 2)),
}


@pytest.mark.soak
@pytest.mark.parametrize("case", SIGHTS)
def test_a_small_model_of_pictures_answers_as_the_original(case: str, tmp_path: Path) -> None:
    task, make, draw_data = SIGHTS[case]
    torch.manual_seed(0)
    make(tmp_path / "source")
    model = model_of(task, f"file:{tmp_path / 'source'}", draw_data(tmp_path / "data"))
    built = Built(model, tmp_path / "source", tmp_path)
    paths = [item.input for item in kinds.load("task", task).items(tmp_path / "data")]
    run = loaded(built.folder)

    found = run(paths)

    hold(found, expected(built, [Item(path) for path in paths], run))


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["CLIP", "SigLIP"])
def test_a_picture_is_held_against_the_labels_of_a_call(kind: str, tmp_path: Path) -> None:
    source, labels = digits_clip(ROOT / ".work").model, DIGITS[:2]
    if kind == "SigLIP":
        siglip(source, tmp_path / "source")
        source = tmp_path / "source"
    data = draw(tmp_path / "data", labels, 2)
    model = model_of("zero-shot-image-classification", f"file:{source}", data, labels=list(labels))
    built = Built(model, source, tmp_path)
    paths = [item.input for item in kinds.load("task", model.task).items(data)]
    run = loaded(built.folder)

    found, others = run(paths), run(paths, labels=("a cat", *labels))

    hold(found, expected(built, [Item(path) for path in paths], run))
    assert {one["label"] for one in others[0]} == {"a cat", *labels}
    total = sum(one["score"] for one in others[0])
    assert total == pytest.approx(1) if kind == "CLIP" else total != pytest.approx(1)


# Sounds


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A wav2vec2 of random weights with CTC, and some sounds of 22 kHz."""
    folder = tmp_path_factory.mktemp("heard")
    torch.manual_seed(0)
    audible.wav2vec2_ctc(folder / "source")
    (folder / "sounds").mkdir()
    drawn = np.random.default_rng(0)
    for kind in audible.KINDS[:2]:
        soundfile.write(
            folder / "sounds" / f"{kind}.wav", audible.sound(kind, drawn, 22_050), 22_050
        )
    source = folder / "source"
    model = model_of("automatic-speech-recognition", f"file:{source}", folder / "sounds")
    return Built(model, source, folder)


def test_a_sound_is_the_same_as_a_path_and_as_samples_with_their_rate(heard: Built) -> None:
    paths = sorted(data_of(heard).glob("*.wav"))
    arrays = [soundfile.read(path, dtype="int16")[0] for path in paths]
    run = loaded(heard.folder)

    found = run(paths)

    assert found == run(arrays, sampling_rate=22_050)
    assert found == run([{"array": one, "sampling_rate": 22_050} for one in arrays])
    assert found == expected(heard, [Item(path) for path in paths], run)
    assert all(isinstance(text, str) for text in found)


@pytest.mark.parametrize(
    ("asked", "rate", "message"),
    [
        (np.zeros(16_000), None, "16000 samples: want their sampling_rate beside them, in Hz"),
        (np.zeros(100), 16_000, "samples: 0.00625 s in 1 channels: want 0.1 to 600 s"),
        (np.full(16_000, np.nan), 16_000, "samples: not finite"),
        (3, None, "3: want a path, or an array of samples"),
    ],
)
def test_what_is_no_sound_is_said(asked: Any, rate: int | None, message: str, heard: Built) -> None:
    with pytest.raises(DataError, match=message):
        loaded(heard.folder)(asked, sampling_rate=rate)


# What generates


@pytest.mark.soak
@pytest.mark.parametrize(
    ("make", "task"),
    [(gpt2, "text-generation"), (t5, "text2text-generation")],
)
def test_a_task_s_own_loop_goes_on_as_the_original(
    make: Callable[[], Any], task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = bring(make, task, tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # without openvino.genai
    run = loaded(built.folder)
    asked = [item.input for item in kinds.load("task", task).items(data_of(built))]

    found = run(asked, settings={"max_new_tokens": 8})
    pieces = list(run.stream(asked[0], settings={"max_new_tokens": 8}))

    read, ends = Detokenizer(run.located.held), run.options.end_token_ids
    for text, output in zip(found, samples.load(built.reference / samples.OUTPUTS), strict=True):
        tokens = output["tokens"][:8].tolist()
        assert text == read([token for token in tokens if token not in ends])
    assert "".join(pieces) == found[0]
    with pytest.raises(SpecError, match=r"num_beams 2: want 1, or text-generation"):
        run(asked[0], settings={"num_beams": 2})


@pytest.mark.soak
def test_a_picture_with_a_text_goes_on_as_the_original(tmp_path: Path) -> None:
    llava(tmp_path / "source")
    where = prompts(tmp_path / "data")
    model = model_of("image-text-to-text", f"file:{tmp_path / 'source'}", where)
    built = AtF32(model, tmp_path / "source", tmp_path)
    run = loaded(built.folder)
    items = kinds.load("task", "image-text-to-text").items(where)

    found = run([item.input for item in items], settings={"max_new_tokens": 8})

    read = Detokenizer(run.located.held)
    outputs = samples.load(built.reference / samples.OUTPUTS)
    assert found == [read(output["tokens"][:8].tolist()) for output in outputs]


def told(stops: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The pieces that are put of a text that grows, and at last of what is left."""
    pieces: list[str] = []

    def put(piece: str) -> bool:
        pieces.append(piece)
        return False

    teller = generation._Told(stops, put)
    for text in texts:
        if teller.is_over(text):
            return pieces
    teller.rest(texts[-1])
    return pieces


def test_what_may_become_a_stop_string_is_not_told_before_it_is_none() -> None:
    assert "".join(told(["END"], ["a", "a E", "a EN", "a END", "a END b"])) == "a "
    assert "".join(told(["END"], ["a", "a E", "a EN", "a ENx"])) == "a ENx"
    assert told([], ["a", "a \ufffd", "a \u00e9"]) == ["a", " \u00e9"]


# Tasks of one's own

OWN = """
from pipeline.tasks.feature_extraction import *
from pipeline.tasks.feature_extraction import answer as vector

def answer(outcome):
    return {"text": outcome.item.input, "first": float(vector(outcome)[0])}
"""


def test_a_task_of_one_s_own_answers_as_its_file_says(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kinds/tasks").mkdir(parents=True)
    (tmp_path / "kinds/tasks/first_number.py").write_text(OWN)
    ours = loaded(finished / "artifacts/ir/tiny-fp32")
    monkeypatch.chdir(tmp_path)
    told = ours.located.told.model_copy(update={"task": "first-number"})  # type: ignore[union-attr]
    run = Loaded(ours.located._replace(told=told), execution="f32")

    found = run(["a text"])

    assert found == [{"text": "a text", "first": pytest.approx(float(ours("a text")[0][0]))}]


# What is missing

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from pipeline.runtime.loaded import Loaded
from pipeline.runtime.names import locate
text, picture, shown = sys.argv[1:]
run = Loaded(locate(text))
assert run("a text")[0].shape == (32,)
assert run.infer({"input_ids": [[101, 102]]})["last_hidden_state"].shape == (1, 2, 32)
print(Loaded(locate(picture), execution="f32")(shown)[0][0]["label"])
"""


def test_texts_pictures_and_tensors_want_no_torch(finished: Path, seen: Built) -> None:
    shown = min(data_of(seen).rglob("*.png"))
    given = [finished / "artifacts/ir/tiny-fp32", seen.folder, shown]

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, given)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.stdout.split() == loaded(seen.folder)(shown)[0][0]["label"].split(), done.stderr


@pytest.mark.parametrize("library", ["PIL", "transformers"])
def test_a_library_that_is_missing_is_said_with_what_brings_it(
    library: str, seen: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = loaded(seen.folder)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(PipelineError, match=r"want .*: pip install .*\[run\]'"):
        run(np.zeros((32, 32, 3), np.uint8))


# Real weights


@pytest.fixture(scope="module")
def speaker(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """SmolLM2 in openvino.genai, from memory."""
    from pipeline.steps import export

    out = tmp_path_factory.mktemp("speaker") / "ir"
    export.write_ir(model_of("text-generation", f"file:{smollm2}", "none"), smollm2, out)
    return loaded(out)


@pytest.mark.soak
def test_a_language_model_goes_on_as_in_openvino_genai_of_its_folder(speaker: Loaded) -> None:
    import openvino_genai

    asked, most = "The capital of France is", 12
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    with speaker.located.held.copied() as folder:
        other = openvino_genai.LLMPipeline(
            folder, "CPU", INFERENCE_PRECISION_HINT="f32", KV_CACHE_PRECISION="f32"
        )
    settings = openvino_genai.GenerationConfig(max_new_tokens=most, do_sample=False)

    found = speaker(asked, settings={"max_new_tokens": most})
    answered = speaker(chat, settings={"max_new_tokens": most})
    pieces = list(speaker.stream(asked, settings={"max_new_tokens": most}))

    wanted = str(other.generate(openvino_genai.ChatHistory(chat), settings))
    settings.apply_chat_template = False
    assert found == [str(other.generate(asked, settings))]
    assert answered == [wanted]
    assert "Paris" in wanted
    assert "".join(pieces) == found[0]
    assert len(pieces) > 3


@pytest.mark.soak
def test_stop_strings_and_settings_hold_for_a_language_model(speaker: Loaded) -> None:
    counted = speaker("1, 2, 3, 4,", settings={"max_new_tokens": 30, "stop_strings": ["8"]})
    beams = speaker("Once", settings={"max_new_tokens": 8, "num_beams": 3})
    drawn = speaker("Once", settings={"max_new_tokens": 8, "temperature": 0.7, "top_k": 5})

    assert counted == [" 5, 6, 7, "]
    assert all(text for text in (*beams, *drawn))
    with pytest.raises(SpecError, match="settings: unknown key 'max_tokens': have"):
        speaker("Once", settings={"max_tokens": 8})


@pytest.mark.soak
def test_whoever_stops_asking_stops_what_generates(speaker: Loaded) -> None:
    pieces = speaker.stream("Once upon a time", settings={"max_new_tokens": 5000})

    first = next(pieces)
    pieces.close()

    assert first
    assert speaker("The capital of France is", settings={"max_new_tokens": 3}) == [" Paris.\n"]


@pytest.mark.soak
def test_whisper_hears_what_is_said_with_openvino_genai_and_without(
    whisper: Path, librivox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.steps import export

    model = model_of("automatic-speech-recognition", f"file:{whisper}", "none")
    export.write_ir(model, whisper, tmp_path / "ir")
    item = _transcripts.items(librivox)[0]

    served = loaded(tmp_path / "ir")(item.input)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    alone = loaded(tmp_path / "ir")(item.input)

    heard = [_transcripts.normal(text, "en") for text in (*served, *alone)]
    assert heard == [_transcripts.normal(item.label, "en")] * 2


@pytest.mark.soak
def test_sounds_are_named_by_a_model_that_was_trained(
    kinds_of_sound: Trained, tmp_path: Path
) -> None:
    model = model_of(
        "audio-classification", f"file:{kinds_of_sound.model}", kinds_of_sound.validation
    )
    built = Built(model, kinds_of_sound.model, tmp_path)
    items = kinds.load("task", "audio-classification").items(kinds_of_sound.validation)
    run = loaded(built.folder)

    found = run([item.input for item in items])

    hold(found, expected(built, items, run))
    right = [answer[0]["label"] == item.label for answer, item in zip(found, items, strict=True)]
    assert np.mean(right) > 0.9
