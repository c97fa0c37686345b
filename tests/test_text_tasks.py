"""Tasks of texts with one network: their data, their metrics, and small models brought through."""

from pathlib import Path
from typing import Any

import brought
import numpy as np
import pytest
from built import SMALL, Built, model_of, small

from pipeline import kinds
from pipeline.errors import DataError, ExportError
from pipeline.networks import ir, samples
from pipeline.networks.session import Session
from pipeline.networks.tensors import Tensors
from pipeline.tasks import question_answering, token_classification

CLASSES = {
    "text-classification": "OVModelForSequenceClassification",
    "text-ranking": "OVModelForSequenceClassification",
    "token-classification": "OVModelForTokenClassification",
    "question-answering": "OVModelForQuestionAnswering",
    "fill-mask": "OVModelForMaskedLM",
}
FP32 = {"INFERENCE_PRECISION_HINT": "f32"}


# Data


@pytest.mark.parametrize(
    ("task", "text", "said"),
    [
        (
            "text-ranking",
            "score\tquery\n",
            ":1: header ['score', 'query']: want ['query', 'document']",
        ),
        ("text-ranking", "score\tquery\tdocument\nx\ta\tb\n1\ta\tc\n", ":2: score 'x': want a "),
        ("text-ranking", "query\tdocument\na\tb\nc\td\n", ": no query has several documents"),
        ("token-classification", "tokens\ttags\na b\tO\nc\tO\n", ":2: 2 words and 1 tags: want"),
        ("question-answering", "question\tanswer\n", ":1: header ['question', 'answer']: want ["),
    ],
)
def test_a_row_that_a_task_cannot_read_is_named(
    task: str, text: str, said: str, tmp_path: Path
) -> None:
    (path := tmp_path / "rows.tsv").write_text(text)

    with pytest.raises(DataError) as raised:
        kinds.load("task", task).items(path)

    assert str(raised.value).startswith(f"{path}{said}")


def encoded(task: str, folder: Path, *rows: str) -> list[Tensors]:
    """What a small model is fed of rows, the first of which is the header."""
    SMALL[task].save(folder / "source")
    (folder / "rows.tsv").write_text("\n".join(rows) + "\n")
    member, model = kinds.load("task", task), model_of(task, "file:x", "none")
    options, _ = member.resolve(model, folder / "source")
    found: list[Tensors] = member.encode(
        member.items(folder / "rows.tsv"), folder / "source", model, options
    )
    return found


@pytest.mark.parametrize(
    ("task", "rows", "said"),
    [
        (
            "token-classification",
            ("tokens\ttags", "a\tO", "b\tBIRD"),
            "label 'BIRD': the model's are",
        ),
        (
            "fill-mask",
            ("label\ttext", "a\tb [MASK]", "c\td"),
            r"'d': 0 masks .*: want one \[MASK\]",
        ),
        (
            "fill-mask",
            ("label\ttext", "a\tb [MASK]", "zuzana\t[MASK]"),
            "label 'zuzana': no single ",
        ),
        (
            "question-answering",
            ("question\tcontext", "a\tb", f"{'why ' * 600}\tb"),
            r"'why .*': 602 tokens: want fewer than max_length, 512",
        ),
    ],
)
def test_what_a_model_cannot_be_asked_is_named(
    task: str, rows: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        encoded(task, tmp_path, *rows)


@pytest.mark.parametrize(
    ("task", "wanted", "said"),
    [
        (
            "text-ranking",
            "text-classification",
            "config.json has one label: a score, .*text-ranking",
        ),
        ("text-classification", "text-ranking", "config.json has 3 labels: want one, whose logit"),
    ],
)
def test_a_score_and_a_choice_are_told_apart(
    task: str, wanted: str, said: str, tmp_path: Path
) -> None:
    SMALL[task].save(tmp_path)

    with pytest.raises(ExportError, match=said):
        kinds.load("task", wanted).resolve(model_of(wanted, "file:x", "none"), tmp_path)


def test_a_word_has_the_label_of_its_first_token(tmp_path: Path) -> None:
    _, _, found = encoded("token-classification", tmp_path, *SMALL["token-classification"].rows)

    # [CLS] the unbelievable ms . o ' brien - smith of aix - en - provence [SEP]
    assert found[token_classification.STARTS][0].tolist() == [
        -1, 0, 1, 2, -1, 3, -1, -1, -1, -1, 4, 5, -1, -1, -1, -1, -1
    ]  # fmt: skip


def test_an_answer_is_taken_from_the_context_alone(tmp_path: Path) -> None:
    (first, *_) = encoded("question-answering", tmp_path, *SMALL["question-answering"].rows)
    count = first["input_ids"].shape[1]
    start = np.linspace(5, 0, count, dtype=np.float32)[None]  # largest at [CLS]
    end = np.zeros_like(start)

    span = question_answering._span(first, {"start_logits": start, "end_logits": end})

    assert span == (0, len("Ada"))


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("The machine.", "a machine", 1, 1),
        ("the first machine", "machine", 0, 2 / 3),
        ("soup", "machine", 0, 0),
        ("", "machine", 0, 0),
        ("the", "", 1, 1),
    ],
)
def test_answers_are_compared_as_squad_does(
    answer: str, right: str, exact: float, f1: float
) -> None:
    scores = question_answering._exact(answer, right), question_answering._f1(answer, right)

    assert scores == pytest.approx((exact, f1))


# Small models, brought through


@pytest.fixture(scope="module", params=CLASSES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A small model of a task, judged on its labelled data."""
    return small(request.param, tmp_path_factory.mktemp("small"), labelled=True)


def of_optimum(folder: Path, task: str, inputs: Tensors) -> dict[str, Any]:
    """What the task's class of optimum-intel makes of the artifact's own network."""
    import optimum.intel as optimum

    loaded = getattr(optimum, CLASSES[task]).from_pretrained(
        folder, export=False, ov_config=FP32, local_files_only=True
    )
    assert Path(loaded.model_save_dir) == folder  # elsewhere it exports anew what is not there
    given = {name: inputs[name] for name in loaded.input_names if name in inputs}
    return {name: np.asarray(array) for name, array in loaded(**given).items()}


@pytest.mark.soak
def test_a_small_model_comes_through_and_its_class_of_optimum_loads_it(built: Built) -> None:
    task = built.model.task
    member = kinds.load("task", task)
    inputs = samples.load(built.reference / samples.INPUTS)
    wanted = samples.load(built.reference / samples.OUTPUTS)
    came = {"fp32": built.folder, **{name: built.at(name) for name in ("fp16", "int8")}}
    options, _ = member.resolve(built.model, built.source)

    measured = {name: built.accuracy(folder) for name, folder in came.items()}

    figures = {name: accuracy.executions[0].bounded() for name, accuracy in measured.items()}
    for metrics in figures.values():
        assert {*member.METRICS} <= {*metrics}
        assert metrics["tokenizer_agreement"] == 1
    assert figures["fp32"]["max_abs_error"] < 1e-4
    assert figures["fp16"]["max_abs_error"] < 0.1
    assert built.unmet(built.folder, 32) == set()
    for name, folder in came.items():
        session = Session(ir.read(folder), execution="f32")
        ours = [member.run({"openvino_model": session}, given, options) for given in inputs]
        theirs = of_optimum(folder, task, inputs[0])
        seen = member.run({"openvino_model": lambda _, theirs=theirs: theirs}, inputs[0], options)
        for output, array in seen.items():
            np.testing.assert_allclose(array, ours[0][output], atol=1e-5)
            if name == "fp32":
                np.testing.assert_allclose(array, wanted[0][output], atol=1e-4)
    kind = f"{SMALL[task].architecture}For{SMALL[task].head}"
    brought.row(
        "Texts",
        f"{task}: {kind}",
        "conversion only (random weights): fp32 meets the default gate; fp32, fp16 and int8 load "
        f"in {CLASSES[task]}",
    )
