"""A Hugging Face id becomes an artifact of the store, once; the hub is one on loopback."""

from pathlib import Path

import pytest
from hub import Hub
from served import Served

from pipeline.errors import SourceError, SpecError
from pipeline.layout import Layout
from pipeline.runtime.names import Wanted, locate
from pipeline.runtime.store import Store

INPUTS = {
    "input_ids": [101, 2054, 2154, 2003, 2026, 3793, 2080, 2339, 1029, 102],
    "attention_mask": [1] * 10,
}


@pytest.fixture
def online(bert: Served, monkeypatch: pytest.MonkeyPatch) -> Hub:
    bert.reach(monkeypatch)
    return bert.hub


@pytest.fixture
def home(bert: Served) -> Store:
    """A store that tests share: a model is built once."""
    return Store(bert.home)


def test_a_name_is_built_once_and_found_without_a_network(
    online: Hub, home: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Layout(tmp_path)

    first = locate("bert-base-uncased", Wanted(model_type="text"), project=project, store=home)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    again = locate("bert-base-uncased", Wanted(model_type="text"), project=project, store=home)

    assert first.held.cid == again.held.cid
    assert first.precision == "fp16"
    assert not first.validated
    assert "fp16" in first.why
    assert first.told
    assert first.told.task == "fill-mask"
    assert dict(first.held.files) == dict(again.held.files)


def test_int8_without_calibration_data_offers_what_would_do(home: Store, tmp_path: Path) -> None:
    wanted = Wanted(precision="INT8")

    with pytest.raises(SpecError, match="calibration_data.*int8_weights"):
        locate("another-model", wanted, project=Layout(tmp_path), store=home)


@pytest.mark.parametrize("name", ["../x", "a//b", "owner/name@", "owner/name@../../x", "a--b"])
def test_what_cannot_be_a_repository_is_asked_nowhere(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")

    with pytest.raises(SpecError) as raised:
        locate(name, project=Layout(tmp_path), store=store)

    assert str(raised.value).isprintable()
    assert not (store.home / "names").exists()


def test_a_model_that_the_hub_does_not_have_is_said_with_what_else_a_name_may_be(
    online: Hub, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="not there, or private.*want ipfs://CID") as raised:
        locate("minilm-typo", project=Layout(tmp_path), store=Store(tmp_path / "home"))

    assert str(raised.value).isprintable()


@pytest.mark.soak
def test_int8_is_calibrated_on_inputs_by_name_or_on_texts(
    online: Hub, home: Store, tmp_path: Path
) -> None:
    project, name = Layout(tmp_path), "bert-base-uncased"
    of_inputs = Wanted(precision="INT8", calibration=[INPUTS] * 4)
    of_texts = Wanted(precision="INT8", calibration=["a text\nof two lines", "another"])

    by_name = locate(name, of_inputs, project=project, store=home)
    on_texts = locate(name, of_texts, project=project, store=home)
    on_whatever = locate(name, Wanted(precision="INT8"), project=project, store=home)

    kinds = {op.get_type_name() for op in by_name.held.model().get_ops()}
    assert by_name.precision == "int8"
    assert "FakeQuantize" in kinds
    assert by_name.held.cid != on_texts.held.cid == on_whatever.held.cid


@pytest.mark.soak
def test_a_task_of_the_user_s_own_choice_is_another_artifact(
    online: Hub, home: Store, tmp_path: Path
) -> None:
    wanted = Wanted(precision="fp32", task="feature-extraction")

    found = locate("bert-base-uncased@main", wanted, project=Layout(tmp_path), store=home)

    assert found.told
    assert found.told.task == "feature-extraction"
    assert found.held.model().output(0).get_any_name() == "last_hidden_state"
