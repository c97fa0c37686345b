"""Checkpoints as they come: each becomes an artifact that gives the original's outputs, or a line.

`ACCEPTED`, `REFUSED`, `TOKENIZERS` and `FILES` are tables: what a user brings, in words, how it is
made, and what comes out.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import brought
import numpy as np
import openvino as ov
import pytest
import torch
import transformers
import worded
from conftest import ROOT
from hub import Hub
from safetensors.torch import load_file, save_file
from worded import WORDS, words

from pipeline import kinds
from pipeline.errors import ExportError, SourceError, SpecError, UnfitError
from pipeline.exporters import _beside, _loading, _tokenizer
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.networks import ir
from pipeline.networks.tensors import Array
from pipeline.sources import Origin
from pipeline.spec import Model
from pipeline.steps import _contents, _view
from pipeline.steps import export as export_step
from pipeline.steps.fetch import collect, fetch

TEXTS = [
    "A short one.",
    "",
    "the longer text of texts " * 9,
    "  \u00dcn\u00efc\u00f6de \U0001f600 shorts",
]
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "vocab_size": len(WORDS),
}  # fmt: skip
T5_SIZES = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
Network = torch.nn.Module
Edit = Callable[[dict[str, Any]], dict[str, Any]]  # of a checkpoint's tensors


def entry(source: Path | str, task: str = "feature-extraction", **changed: object) -> Model:
    """An entry of params.yaml."""
    fields = {
        "name": "m", "source": f"file:{source}" if isinstance(source, Path) else source,
        "format": "transformers", "task": task, "options": {}, "calibration": "c",
        "validation": "v", "allow": [],
    }  # fmt: skip
    return Model.from_dict({**fields, **changed})


def saved(network: Any, folder: Path, edit: Edit = dict, **how: Any) -> Any:
    """The network, saved with a tokenizer after its tensors went through an edit."""
    network.eval().save_pretrained(folder, **how)
    weights = folder / "model.safetensors"
    if edit is not dict:
        save_file(edit(load_file(weights)), weights)  # without metadata
    words(folder)
    return network


def without(*parts: str) -> Edit:
    return lambda tensors: {
        name: tensor for name, tensor in tensors.items() if not any(part in name for part in parts)
    }


def under(prefix: str) -> Edit:
    return lambda tensors: {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def bert(kind: str = "BertModel", **changed: Any) -> Any:
    return getattr(transformers, kind)(transformers.BertConfig(**SIZES, **changed))


def t5(kind: str) -> Any:
    config = getattr(transformers, kind.partition("5")[0] + "5Config")
    return getattr(transformers, kind)(config(**T5_SIZES, vocab_size=len(WORDS)))


def roberta(folder: Path) -> Network:
    config = transformers.RobertaConfig(**SIZES, pad_token_id=0, max_position_embeddings=80)
    return saved(transformers.RobertaForMaskedLM(config), folder).roberta  # type: ignore[no-any-return]


def modernbert(folder: Path) -> Network:
    config = transformers.ModernBertConfig(**SIZES, pad_token_id=0, global_attn_every_n_layers=2)
    return saved(transformers.ModernBertForMaskedLM(config), folder).model  # type: ignore[no-any-return]


def nomic(folder: Path) -> Network:
    config = transformers.NomicBertConfig(**SIZES, pad_token_id=0)
    return saved(transformers.NomicBertModel(config), folder)  # type: ignore[no-any-return]


def eurobert(folder: Path) -> Network:
    config = transformers.EuroBertConfig(**SIZES, num_key_value_heads=2, pad_token_id=0)
    return saved(transformers.EuroBertModel(config), folder)  # type: ignore[no-any-return]


def ernie(folder: Path) -> Network:
    network = transformers.ErnieForMaskedLM(transformers.ErnieConfig(**SIZES))
    return saved(network, folder).ernie  # type: ignore[no-any-return]


def llama(folder: Path) -> Network:
    network = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
    return saved(network, folder).model  # type: ignore[no-any-return]


def sharded(folder: Path) -> Network:
    network = saved(bert(), folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    return network  # type: ignore[no-any-return]


def tied_elsewhere(tensors: dict[str, Any]) -> dict[str, Any]:
    """The embeddings of T5 under the other of their two names."""
    return {n.replace("shared.", "encoder.embed_tokens."): t for n, t in tensors.items()}


class Case(NamedTuple):
    """What a user brings, in words, and how it is made: a folder is filled, the original given."""

    says: str
    make: Callable[[Path], Any]
    refused: str = ""


ACCEPTED = {
    "whole": Case("An encoder as transformers saves it", lambda f: saved(bert(), f)),
    "no pooler": Case(
        "Without the pooler's weights", lambda f: saved(bert(add_pooling_layer=False), f)
    ),
    "masked-LM head": Case(
        "Saved from BertForMaskedLM: prefix `bert.`, a head, no pooler",
        lambda f: saved(bert("BertForMaskedLM"), f).bert,
    ),
    "RoBERTa's masked-LM head": Case(
        "Saved from RobertaForMaskedLM: prefix `roberta.`, a head tied to the embeddings", roberta
    ),
    "a language model": Case(
        "Saved from LlamaForCausalLM: prefix `model.`, a head", llama
    ),
    "both heads": Case(
        "Saved from BertForPreTraining", lambda f: saved(bert("BertForPreTraining"), f).bert
    ),
    "classifier": Case(
        "Saved from a classifier of sequences, which is left out",
        lambda f: saved(bert("BertForSequenceClassification"), f).bert,
    ),
    "wrapped": Case(
        "Saved from inside another module: prefix `0.auto_model.`",
        lambda f: saved(bert(), f, under("0.auto_model.")),
    ),
    "wrapped with a head": Case(
        "Saved from DataParallel with a head: prefix `module.bert.`, no pooler",
        lambda f: saved(bert("BertForMaskedLM"), f, under("module.")).bert,
    ),
    "no metadata": Case(
        "safetensors without the metadata `format: pt`", lambda f: saved(bert(), f, lambda t: t)
    ),
    "unexpected": Case(
        "With tensors that the model does not know",
        lambda f: saved(
            bert(), f, lambda t: {**t, "embeddings.position_ids": torch.arange(512)[None]}
        ),
    ),
    "sharded": Case("In several files with an index", sharded),
    "T5 encoder": Case("T5EncoderModel", lambda f: saved(t5("T5EncoderModel"), f)),
    "T5 encoder, tied": Case(
        "T5EncoderModel with its embeddings under their other name",
        lambda f: saved(t5("T5EncoderModel"), f, tied_elsewhere),
    ),
    "T5": Case(
        "T5ForConditionalGeneration: its encoder is exported, its decoder left out",
        lambda f: saved(t5("T5ForConditionalGeneration"), f).encoder,
    ),
    "mT5": Case(
        "MT5ForConditionalGeneration: its encoder is exported, its decoder left out",
        lambda f: saved(t5("MT5ForConditionalGeneration"), f).encoder,
    ),
    "UMT5 encoder": Case("UMT5EncoderModel", lambda f: saved(t5("UMT5EncoderModel"), f)),
    "ModernBERT": Case("ModernBERT, which optimum-intel refuses: by torch.export", modernbert),
    "NomicBERT": Case("NomicBERT, which optimum-intel refuses: by torch.export", nomic),
    "EuroBERT": Case("EuroBERT, which optimum-intel refuses: by torch.export", eurobert),
    "ERNIE": Case("ERNIE, which optimum-intel refuses: by torch.export", ernie),
}  # fmt: skip
EXPORTED = ("no pooler", "T5")  # the others by make soak


def fnet(folder: Path) -> Network:
    return saved(worded.fnet(), folder)  # type: ignore[no-any-return]


def bart(folder: Path) -> Network:
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1) | dict.fromkeys(
        ("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 32
    )
    heads = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    config = transformers.BartConfig(**sizes, **heads, vocab_size=len(WORDS))
    return saved(transformers.BartModel(config), folder)  # type: ignore[no-any-return]


def emptied(network: Any) -> Any:
    network.encoder.layer[0].output.dense.weight.data[0, 0] = torch.nan
    return network


REFUSED = {
    "a layer": Case(
        "A layer's weights are not there (nor the pooler's, which do not matter)",
        lambda f: saved(bert(), f, without("layer.1.output.dense", "pooler")),
        r"the checkpoint lacks 'encoder\.layer\.1\.output\.dense\.weight', on which the outputs",
    ),
    "another size": Case(
        "A tensor has another shape than config.json says",
        lambda f: saved(
            bert(), f, lambda t: {n: x[:9] if "word_emb" in n else x for n, x in t.items()}
        ),
        r"lacks 'embeddings\.word_embeddings\.weight' of shape \(15, 32\) \(it has \(9, 32\)\)",
    ),
    "T5 without embeddings": Case(
        "T5 without its embeddings",
        lambda f: saved(t5("T5EncoderModel"), f, without("shared")),
        r"lacks 'shared\.weight', on which",
    ),
    "another model": Case(
        "The checkpoint of another architecture",
        lambda f: saved(bert(), f, under("x.y")),
        r"lacks 'embeddings\.position_embeddings\.weight', .* and \d+ more, on which",
    ),
    "NaN": Case(
        "A tensor that holds NaN",
        lambda f: saved(emptied(bert()), f),
        r"tensor 'encoder\.layer\.0\.output\.dense\.weight' holds NaN",
    ),
    "BART": Case(
        "An encoder with a decoder that is not T5's",
        bart,
        r"config\.json: model_type 'bart' is an encoder with a decoder: feature-extraction wants",
    ),
    "FNet": Case(
        "An architecture that neither optimum-intel nor torch.export and OpenVINO convert (FNet)",
        fnet,
        r"optimum-intel: Trying to export a fnet model, .* \(ValueError\); OpenVINO: No conversion "
        r"rule found for operations: aten\._fft_c2c\.default",
    ),
    "no model_type": Case(
        "config.json names no architecture",
        lambda f: [saved(bert(), f), (f / "config.json").write_text("{}")],
        r"config\.json: no model_type: want what transformers saved",
    ),
}


EXPORTED_TOO = ("another size", "T5 without embeddings", "another model", "FNet")  # by make soak


def exported(model: Model, source: Path, folder: Path) -> Path:
    """The IR folder that the export step makes of what parsers may see of a source."""
    names = sorted(p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file())
    _view.make(source, names, folder / "view")
    export_step.write_ir(model, folder / "view", folder / "ir")
    return folder / "ir"


def tokens(source: Path) -> dict[str, Array]:
    """All texts in one padded batch."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    made = tokenizer(TEXTS, padding=True, truncation=True, max_length=64, return_tensors="np")
    return dict(made)


def by_torch(network: Any, inputs: dict[str, Array]) -> Array:
    """The token vectors that a PyTorch model gives."""
    names = ("input_ids", "attention_mask")
    with torch.inference_mode():
        made = network(**{name: torch.from_numpy(inputs[name]) for name in names})
    return np.asarray(made.last_hidden_state)


def by_network(folder: Path, inputs: dict[str, Array]) -> Array:
    """The token vectors that the IR gives."""
    network = ov.Core().compile_model(ir.read(folder), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    zeros = np.zeros_like(inputs["input_ids"])
    places = np.maximum(inputs["attention_mask"].cumsum(axis=1) - 1, 0)
    inputs = {"position_ids": places, **inputs}
    given = {port.any_name: inputs.get(port.any_name, zeros) for port in network.inputs}
    return np.asarray(network(given)[0])


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_loaded_gives_the_original_s_outputs_and_nothing_in_it_is_random(
    case: Case, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    original = case.make(source)

    loaded = _loading.load(source, entry(source), torch.float32)

    inputs = tokens(source)
    np.testing.assert_allclose(
        by_torch(loaded.network, inputs), by_torch(original, inputs), atol=1e-6
    )
    state = loaded.network.state_dict()
    assert all(torch.isnan(state[name]).all() for name in loaded.lacking)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=() if name in EXPORTED else pytest.mark.soak)
        for name, case in ACCEPTED.items()
    ],
)
def test_an_artifact_gives_the_original_s_outputs(case: Case, tmp_path: Path) -> None:
    source = tmp_path / "source"
    original = case.make(source)

    folder = exported(entry(source), source, tmp_path)

    inputs = tokens(source)
    real = inputs["attention_mask"] == 1
    made, wanted = by_network(folder, inputs), by_torch(original, inputs)
    np.testing.assert_allclose(made[real], wanted[real], atol=2e-5)
    brought.row("Checkpoints", case.says, "an artifact; token vectors within 2e-5")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=pytest.mark.soak if name in EXPORTED_TOO else ())
        for name, case in REFUSED.items()
    ],
)
def test_a_checkpoint_that_will_not_do_is_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    source = tmp_path / "source"
    case.make(source)

    with pytest.raises(ExportError, match=case.refused) as raised:
        exported(entry(source), source, tmp_path)

    said = str(raised.value)
    assert said.startswith(f"file:{source}: ")
    assert "\n" not in said
    brought.row("Checkpoints", case.says, f"refused: {said.removeprefix(f'file:{source}: ')}")


def test_a_classifier_whose_head_was_never_trained_is_refused_by_its_name(tmp_path: Path) -> None:
    source = tmp_path / "source"
    saved(bert(), source)

    with pytest.raises(ExportError, match=r"lacks 'classifier\.weight', on which the outputs of"):
        exported(entry(source, "text-classification"), source, tmp_path)


# Tokenizers that are a SentencePiece model and nothing else


def pieces(kind: str, **trained: Any) -> bytes:
    """A SentencePiece model of the calibration data."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter((ROOT / "data/calibration-sentences.txt").read_text().splitlines()),
        model_writer=written, model_type=kind, vocab_size=200, hard_vocab_limit=False,
        minloglevel=2, **trained,
    )  # fmt: skip
    return written.getvalue()


T5_IDS = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
BOS_IDS = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
ALBERT = {
    "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1,
    "control_symbols": ["[CLS]", "[SEP]"], "user_defined_symbols": ["[MASK]"],
}  # fmt: skip
LLAMA = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}
# By architecture: the file, how it is trained, tokenizer_config.json.
TOKENIZERS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "t5": ("spiece.model", "unigram", T5_IDS, {}),
    "xlm-roberta": ("sentencepiece.bpe.model", "unigram", BOS_IDS, {}),
    "albert": ("spiece.model", "unigram", ALBERT, {}),
    "llama": ("tokenizer.model", "bpe", BOS_IDS, LLAMA),
}


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(name, marks=() if name in ("t5", "xlm-roberta") else pytest.mark.soak)
        for name in TOKENIZERS
    ],
)
def test_a_sentencepiece_model_alone_is_a_tokenizer(architecture: str, tmp_path: Path) -> None:
    name, kind, trained, config = TOKENIZERS[architecture]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": architecture}))
    (tmp_path / name).write_bytes(pieces(kind, **trained))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))

    (tmp_path / "ir").mkdir()
    _tokenizer.export(tmp_path, entry(tmp_path), tmp_path / "ir")

    original = transformers.AutoTokenizer.from_pretrained(tmp_path)
    made = ov.Core().compile_model(ir.read(tmp_path / "ir", ir.TOKENIZER), "CPU")
    texts = ["A short one.", "The committee adjourned, 42 times."]
    assert len(original("committee")["input_ids"]) > 3
    for text in texts:
        assert made([text])["input_ids"][0].tolist() == original(text)["input_ids"]
    given = f"{name} alone, without tokenizer.json ({architecture})"
    brought.row("Tokenizers", given, "tokenizer and detokenizer IR; same ids")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("sentencepiece.bpe.model", b"hello", "tiktoken"),
        ("tokenizer.json", b"{}", "it looks for what is not there: 'added_tokens' (KeyError)"),
    ],
)
def test_a_tokenizer_that_cannot_be_made_is_said_in_one_line(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "xlm-roberta"}')
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ExportError) as raised:
        _tokenizer.export(tmp_path, entry(tmp_path), tmp_path / "ir")

    assert "no tokenizer can be made of its files: want tokenizer.json: " in str(raised.value)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    refused = str(raised.value).removeprefix(f"file:{tmp_path}: ")
    brought.row("Tokenizers", f"A broken {name} alone", f"refused: {refused}")


# Files that are not what their names say


HEADER = b'{"w": {"dtype": "U8", "shape": [90], "data_offsets": [0, 90]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(90)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>"
# What is told of these is a row of docs/models.md.
TOLD = {
    ("model.safetensors", POINTER): "A Git LFS pointer in place of weights",
    ("model.safetensors", PAGE): "An HTML page in place of weights",
    ("model.safetensors", WEIGHTS[:-40]): "Half a file in place of weights",
    ("tokenizer.json", b'{"version": "1.0", "mod'): "Half a tokenizer.json",
    ("spiece.model", POINTER): "A Git LFS pointer in place of a sentencepiece model",
}
FILES: list[tuple[str, bytes, str]] = [
    ("model.safetensors", WEIGHTS, ""),
    ("model.safetensors", POINTER, r"a Git LFS pointer \(its content is not here\): run git lfs"),
    ("model.safetensors", PAGE, "an HTML or XML page"),
    ("model.safetensors", b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an HTML or XML"),
    ("model.safetensors", WEIGHTS[:-40], f"ends early: its header wants {len(WEIGHTS)} bytes, it "
                                         f"has {len(WEIGHTS) - 40}"),
    ("model.safetensors", WEIGHTS[:30], "ends early: its header wants 70 bytes, it has 30"),
    ("model.safetensors", WEIGHTS[:4], "not safetensors: it begins with no header, and has 4 b"),
    ("model.safetensors", b"", "not safetensors: it begins with no header, and has 0 bytes"),
    ("model.safetensors", bytes(100), "not safetensors"),
    ("model.safetensors", b"GGUF" + bytes(100), "not safetensors"),
    ("2_Dense/model.safetensors", POINTER, "a Git LFS pointer"),
    ("pytorch_model.bin", POINTER, "a Git LFS pointer"),
    ("pytorch_model.bin", b"PK\3\4" + bytes(90), "ends early after 94 bytes: a zip without its"),
    ("tokenizer.json", POINTER, "a Git LFS pointer"),
    ("tokenizer.json", PAGE, "an HTML or XML page"),
    ("tokenizer.json", b'{"version": "1.0", "mod', "ends early after 23 bytes"),
    ("config.json", b"", "ends early after 0 bytes"),
    ("config.json", b"model_type: bert}", "not JSON"),
    ("config.json", b"{}", ""),
    ("spiece.model", POINTER, "a Git LFS pointer"),
    ("spiece.model", b"", "empty"),
    ("spiece.model", b"\n\x0e\n\x05<unk>\x15\x00\x00", "ends early, after 12 bytes"),
    ("tokenizer.model", b"aGVsbG8= 0\n", ""),  # tiktoken's
    ("vocab.txt", PAGE, "an HTML or XML page"),
    ("vocab.txt", b"<s>\n<pad>\n", ""),
    ("LICENSE.html", PAGE, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "said"), FILES)
def test_a_file_that_is_not_what_its_name_says_is_named_with_what_it_is(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)

    if not said:
        _contents.check(path, name)
        return
    with pytest.raises(UnfitError, match=said) as raised:
        _contents.check(path, name)

    assert str(raised.value).startswith(f"{name}: ")
    assert "\n" not in str(raised.value)
    if (name, content) in TOLD:
        brought.row("Files", TOLD[name, content], f"refused: {raised.value}")


def test_half_a_sentencepiece_model_is_named(tmp_path: Path) -> None:
    whole = pieces("unigram")
    (tmp_path / "spiece.model").write_bytes(whole)
    _contents.check(tmp_path / "spiece.model", "spiece.model")
    (tmp_path / "spiece.model").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(UnfitError, match=r"spiece.model: no SentencePiece model, or one that ends"):
        _contents.check(tmp_path / "spiece.model", "spiece.model")


def files(folder: Path, **contents: bytes) -> Path:
    """A source of these files; `__` stands for a dot."""
    folder.mkdir()
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def test_a_pointer_is_told_when_it_is_fetched(tmp_path: Path) -> None:
    folder = files(tmp_path / "model", config__json=b"{}", model__safetensors=POINTER)

    with pytest.raises(UnfitError) as raised:
        fetch(entry(folder), Layout(tmp_path / "project"))

    assert str(raised.value) == (
        f"file:{folder}: model.safetensors: a Git LFS pointer (its content is not here): "
        "run git lfs pull"
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback, which HF_ENDPOINT leads to."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Hub() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


def test_a_pickle_is_told_when_it_is_fetched_with_the_ways_out(hub: Hub, tmp_path: Path) -> None:
    folder = files(tmp_path / "model", config__json=b"{}", pytorch_model__bin=b"")
    commit = hub.add("owner/tiny", {"config.json": b"{}", "pytorch_model.bin": b"PK"})

    with pytest.raises(UnfitError) as of_folder:
        collect(entry(folder).to_dict(), tmp_path / "one")
    with pytest.raises(UnfitError) as of_hub:
        collect(entry(f"hf:owner/tiny@{commit}").to_dict(), tmp_path / "two")

    said = "pytorch_model.bin: the only weights are a pickle, which can run code: want"
    assert str(of_folder.value) == (
        f"file:{folder}: {said} allow: [pickle] and the folder's sha256 beside it, or the weights "
        "as model.safetensors"
    )
    assert f"{said} allow: [pickle], or the weights as model.safetensors" in str(of_hub.value)
    refused = str(of_hub.value).partition("pytorch_model.bin: ")
    brought.row("Files", "Only a pytorch_model.bin", f"refused: {refused[1]}{refused[2]}")


# Folders in a repository


def test_a_folder_of_a_commit_is_delivered_as_if_it_were_the_top(hub: Hub, tmp_path: Path) -> None:
    nested = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS}
    listed = {f"onnx/small v1/{name}": content for name, content in nested.items()}
    commit = hub.add("owner/tiny", {"config.json": b"{}", **listed},
                     lfs=["onnx/small v1/model.safetensors"])  # fmt: skip
    location = f"hf:owner/tiny@{commit}"

    origin = Origin.from_dict(
        collect(entry(f"{location}/onnx/small v1").to_dict(), tmp_path / "one")
    )

    assert origin.revision == commit
    assert list(origin.sha256) == ["model.safetensors"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "one").rglob("*")} == nested
    brought.row("Files", "hf:OWNER/NAME@COMMIT/FOLDER", "that folder, as if it were the top")
    with pytest.raises(SourceError, match="no folder 'onnx/other' in the repository"):
        collect(entry(f"{location}/onnx/other").to_dict(), tmp_path / "two")
    with pytest.raises(UnfitError, match=r"has \['onnx/small v1/model.safetensors'\]"):
        collect(entry(location).to_dict(), tmp_path / "three")


@pytest.mark.parametrize("folder", ["..", "a/../b", ".git", "/a", "a//b", "a/", "a\\b", "a\nb"])
def test_a_folder_that_could_lead_out_of_a_repository_is_refused(folder: str) -> None:
    with pytest.raises(SpecError, match="want hf:OWNER/NAME@COMMIT"):
        kinds.load("source", "hf").check(f"owner/tiny@{'0' * 40}/{folder}")


def test_a_transformer_in_a_folder_of_its_own_lies_at_the_top_of_the_artifact(
    tiny_bert: Path, tmp_path: Path
) -> None:
    source = tmp_path / "old"
    shutil.copytree(tiny_bert, source / "0_Transformer")
    modules = json.loads((tiny_bert / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (source / "0_Transformer/modules.json").unlink()
    (source / "0_Transformer/1_Pooling").rename(source / "1_Pooling")
    (source / "modules.json").write_text(json.dumps(modules))
    (source / "config.json").write_text('{"__version__": "0.3.8"}')  # of sentence-transformers
    layout = Layout(tmp_path / "project")

    fetch(entry(source), layout)
    names = [f.path for f in SourceLock.read(layout.source_lock("m")).files]
    folder, view = tmp_path / "ir", tmp_path / "view"
    folder.mkdir()
    _view.make(layout.source("m"), names, view)
    _beside.copy(view, entry(source), folder)
    options, _ = kinds.load("task", "feature-extraction").resolve(entry(source), view)
    loaded = _loading.load(view, entry(source), torch.float32)

    assert "0_Transformer/model.safetensors" in names
    beside = {p.relative_to(folder).as_posix() for p in folder.rglob("*.json")}
    assert {"config.json", "tokenizer.json", "1_Pooling/config.json"} <= beside
    assert not any(name.startswith("0_Transformer") for name in beside)
    assert (folder / "config.json").read_bytes() == (tiny_bert / "config.json").read_bytes()
    assert [m["path"] for m in json.loads((folder / "modules.json").read_text())] == [
        "", "1_Pooling", "2_Normalize"
    ]  # fmt: skip
    assert (options.max_length, options.normalize) == (256, True)
    original = load_file(tiny_bert / "model.safetensors")
    assert all(torch.equal(t, original[n]) for n, t in loaded.network.state_dict().items())
    brought.row("Files", "0_Transformer/ (old sentence-transformers)", "as if it were the top")
