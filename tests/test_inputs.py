"""Where inputs meet a network, and models without data or labels, from export to the report."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brought
import numpy as np
import pytest
import torch
import transformers
from conftest import TOKENIZER_FILES

from pipeline import kinds
from pipeline.errors import DataError, ExportError
from pipeline.evidence import Accuracy
from pipeline.networks import samples
from pipeline.networks.inputs import fit
from pipeline.report.table import accuracy_lines
from pipeline.spec import Data, Model
from pipeline.steps import export, reference, validate

SIZES: dict[str, Any] = {
    "vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "pad_token_id": 0,
}  # fmt: skip
TEXTS = ["A short one.", "", "word " * 70, "Ünïcödé \u2028 and \x85 \U0001f600 more", "x"]


def bert(folder: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**SIZES)).save_pretrained(folder)


def distilbert(folder: Path) -> None:
    config = transformers.DistilBertConfig(
        vocab_size=30522, dim=32, n_layers=2, n_heads=2, hidden_dim=64, pad_token_id=0
    )
    transformers.DistilBertModel(config).save_pretrained(folder)


def qwen(folder: Path) -> None:
    config = transformers.Qwen2Config(**SIZES, num_key_value_heads=1)
    transformers.Qwen2Model(config).save_pretrained(folder)


# What a network takes and its tokenizer gives.
FITTED: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "A network that wants token_type_ids, a tokenizer that gives none (multilingual-e5)": (
        bert, ["input_ids", "attention_mask"]),
    "A network without token_type_ids, a tokenizer that gives them (distiluse)": (
        distilbert, ["input_ids", "token_type_ids", "attention_mask"]),
    "A tokenizer that gives no attention_mask": (bert, ["input_ids", "token_type_ids"]),
    "A decoder, which counts positions": (qwen, ["input_ids", "attention_mask"]),
}  # fmt: skip


@pytest.fixture
def entry(tmp_path: Path) -> Model:
    """An entry of params.yaml that judges on texts without labels."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    return Model.from_dict(
        {
            "name": "m", "source": "file:x", "format": "transformers",
            "task": "feature-extraction", "options": {"max_length": 48},
            "validation": str(tmp_path / "texts.txt"),
        }
    )  # fmt: skip


def source_of(make: Callable[[Path], None], names: list[str], tiny_bert: Path, out: Path) -> Path:
    """A model with MiniLM's tokenizer, which gives these inputs."""
    torch.manual_seed(0)
    make(out)
    for name in TOKENIZER_FILES:
        shutil.copyfile(tiny_bert / name, out / name)
    config = json.loads((out / "tokenizer_config.json").read_text())
    (out / "tokenizer_config.json").write_text(json.dumps(config | {"model_input_names": names}))
    return out


def judged(model: Model, source: Path, folder: Path) -> Accuracy:
    """A model brought from its source to its evidence."""
    export.write_ir(model, source, folder / "ir")
    reference.write(model, source, folder / "reference")
    measured = validate.measure(folder / "ir", folder / "reference", "CPU")
    named = {"variant": "v", "cid": "bafy", "device": "CPU"}
    return Accuracy.from_dict(json.loads(json.dumps(named | measured)))


@pytest.mark.parametrize("case", FITTED)
def test_what_a_tokenizer_gives_is_fitted_to_what_the_network_takes(
    case: str, entry: Model, tiny_bert: Path, tmp_path: Path
) -> None:
    source = source_of(*FITTED[case], tiny_bert, tmp_path / "source")

    accuracy = judged(entry, source, tmp_path)

    exact = accuracy.executions[0].bounded()
    assert exact["cosine_min"] > 0.999999
    assert exact["max_abs_error"] < 2e-5
    brought.row("Inputs", case, "an artifact; token vectors within 2e-5")


def test_an_input_that_no_tokenizer_gives_is_told_at_export(
    entry: Model, tiny_bert: Path, tmp_path: Path
) -> None:
    def vit(folder: Path) -> None:
        sizes = {n: v for n, v in SIZES.items() if n not in ("vocab_size", "pad_token_id")}
        config = transformers.ViTConfig(**sizes, image_size=8, patch_size=4)
        transformers.ViTModel(config).save_pretrained(folder)

    source = source_of(vit, ["input_ids", "attention_mask"], tiny_bert, tmp_path / "source")

    with pytest.raises(ExportError, match="the network wants an input 'pixel_values'") as raised:
        export.write_ir(entry, source, tmp_path / "ir")

    assert "\n" not in str(raised.value)
    said = str(raised.value).removeprefix("models.m.task: ")
    brought.row("Inputs", "A model of pictures under a task of texts (ViT)", f"refused: {said}")


@pytest.mark.parametrize(
    ("given", "wanted", "made"),
    [
        ({"input_ids": [[5, 6]]}, ["token_type_ids"], {"token_type_ids": [[0, 0]]}),
        ({"input_ids": [[5, 6]]}, ["attention_mask"], {"attention_mask": [[1, 1]]}),
        ({"input_ids": [[0, 5]], "attention_mask": [[0, 1]]}, ["position_ids"],
         {"position_ids": [[1, 0]]}),
        ({"input_ids": [[5]], "other": [[1]]}, ["input_ids"], {"input_ids": [[5]]}),
    ],
)  # fmt: skip
def test_what_is_missing_is_made_and_what_is_too_much_is_left(
    given: dict[str, Any], wanted: list[str], made: dict[str, Any]
) -> None:
    fitted = fit({name: np.array(value) for name, value in given.items()}, wanted)

    assert {name: array.tolist() for name, array in fitted.items()} == made


def test_an_input_that_cannot_be_made_is_named() -> None:
    with pytest.raises(DataError, match=r"wants an input 'bbox': have \['input_ids'\]"):
        fit({"input_ids": np.array([[1]])}, ["bbox"])


# Without labels, without data


def test_texts_without_labels_are_judged_on_fidelity_and_told_unvalidated(
    entry: Model, tiny_bert: Path, tmp_path: Path
) -> None:
    accuracy = judged(entry, tiny_bert, tmp_path)

    assert accuracy.validated_on == "inputs"
    assert "spearman" not in accuracy.default.bounded()
    assert accuracy_lines(accuracy)[0].startswith("    unvalidated: no labels")


def test_a_model_without_data_is_judged_on_texts_of_its_own_words(
    entry: Model, tiny_bert: Path, tmp_path: Path
) -> None:
    model = entry.model_copy(update={"validation": None})

    accuracy = judged(model, tiny_bert, tmp_path)

    again = tmp_path / "again"
    reference.write(model, tiny_bert, again)
    inputs = samples.load(again / samples.INPUTS)
    assert accuracy.validated_on == "invented"
    assert accuracy_lines(accuracy)[0].startswith("    unvalidated: no data")
    assert accuracy.default.bounded()["tokenizer_agreement"] == 1
    assert (again / samples.INPUTS).read_bytes() == (
        tmp_path / "reference" / samples.INPUTS
    ).read_bytes()
    assert {sample["input_ids"].shape[1] for sample in inputs} >= {3, 48}


def test_texts_that_all_reach_max_length_are_compared_before_their_end(
    entry: Model, tiny_bert: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text("many words " * 40 + "\n" + "others too " * 40 + "\n")

    accuracy = judged(entry, tiny_bert, tmp_path)

    assert accuracy.default.bounded()["tokenizer_agreement"] == 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_text_is_compared_up_to_where_its_repository_cuts_it(
    side: str, entry: Model, tiny_bert: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    config = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps(config | {"truncation_side": side}))
    cut = entry.model_copy(update={"validation": Data(**{"from": str(tmp_path / "long.txt")})})
    (tmp_path / "long.txt").write_text(" ".join(map(str, range(90))) + "\n")

    assert judged(cut, source, tmp_path).default.bounded()["tokenizer_agreement"] == 1


@pytest.mark.parametrize("sizes", [{"batch": 3, "length": 48}, {"length": 5}, {}])
def test_a_benchmark_s_input_is_of_exactly_that_size(
    sizes: dict[str, int], entry: Model, tiny_bert: Path
) -> None:
    task = kinds.load("task", "feature-extraction")
    options, _ = task.resolve(entry, tiny_bert)

    made = task.sized(tiny_bert, entry, options, task.Sizes.from_dict(sizes))

    shape = (sizes.get("batch", 1), sizes.get("length", 48))
    assert {array.shape for array in made.values()} == {shape}
    with pytest.raises(DataError, match=r"sizes\.length: 49: models\.m takes at most 48 tokens"):
        task.sized(tiny_bert, entry, options, task.Sizes(length=49))


def test_a_text_without_a_token_is_fed_as_one_of_padding(tiny_bert: Path, tmp_path: Path) -> None:
    source = source_of(qwen, ["input_ids", "attention_mask"], tiny_bert, tmp_path / "source")
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    (source / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    task = kinds.load("task", "feature-extraction")
    model = Model.from_dict(
        {"name": "m", "source": "file:x", "format": "transformers", "task": "feature-extraction"}
    )
    options, _ = task.resolve(model, source)
    (tmp_path / "texts.txt").write_text("\nword\n")

    empty, word = task.encode(task.items(tmp_path / "texts.txt"), source, model, options)

    assert {name: array.tolist() for name, array in empty.items()} == {
        "input_ids": [[0]], "attention_mask": [[1]],
    }  # fmt: skip
    assert word["input_ids"].shape == (1, 1)


# Classes


LABELS = {0: "no", 1: "yes", 2: "perhaps"}


def classifier(folder: Path) -> None:
    config = transformers.BertConfig(**SIZES, id2label=LABELS)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)


def vit(folder: Path) -> None:
    sizes = {name: SIZES[name] for name in ("hidden_size", "intermediate_size")}
    heads = {"num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.ViTConfig(
        **sizes, **heads, image_size=16, patch_size=8, id2label=LABELS, initializer_range=0.3
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    size = {"height": 16, "width": 16}
    transformers.ViTImageProcessorPil(size=size).save_pretrained(folder)


@pytest.mark.parametrize(
    ("task", "make"), [("text-classification", classifier), ("image-classification", vit)]
)
def test_a_classifier_without_data_is_judged_by_the_labels_that_it_names(
    task: str, make: Callable[[Path], None], tiny_bert: Path, tmp_path: Path
) -> None:
    names = ["input_ids", "token_type_ids", "attention_mask"]
    source = source_of(make, names, tiny_bert, tmp_path / "source")
    model = Model.from_dict(
        {"name": "m", "source": "file:x", "format": "transformers", "task": task}
    )

    whole = judged(model, source, tmp_path).executions[0].bounded()

    config = json.loads((tmp_path / "ir" / "config.json").read_text())
    config["id2label"] |= {"0": LABELS[1], "1": LABELS[0]}
    (tmp_path / "ir" / "config.json").write_text(json.dumps(config))
    measured = validate.measure(tmp_path / "ir", tmp_path / "reference", "CPU")
    swapped = {f["metric"]: f["value"] for f in measured["executions"][0]["figures"]}
    assert (whole["agreement"], whole["label_agreement"]) == (1, 1)
    assert whole["kl_mean"] < 1e-6
    assert "accuracy" not in whole
    assert swapped["label_agreement"] == pytest.approx(1 / 3)
