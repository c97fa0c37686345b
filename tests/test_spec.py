"""params.yaml: what is wrong is said in one line, before anything runs."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline import check, cli
from pipeline.errors import SpecError
from pipeline.layout import Layout


@pytest.fixture
def fields() -> dict[str, Any]:
    """The default params.yaml, to be broken in one place."""
    return dict(YAML(typ="safe").load((ROOT / "params.yaml").read_text()))


def problem(fields: dict[str, Any], folder: Path) -> str:
    """What `load` says of a params.yaml; one line."""
    path = folder / "params.yaml"
    YAML(typ="safe").dump(fields, path)
    with pytest.raises(SpecError) as caught:
        check.load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_default_params_are_right() -> None:
    params = check.load(Layout(ROOT).params)

    assert len(params.cells) == len(params.variants) * len(params.devices)


BROKEN: dict[str, tuple[str, Any, list[str]]] = {
    "unknown key": ("models.minilm.taks", "x", ["models.minilm", "'taks'", "task"]),
    "unknown section": ("modles", {}, ["'modles'", "models"]),
    "missing key": ("models.minilm.task", None, ["models.minilm.task", "missing"]),
    "missing section": ("devices", None, ["devices", "missing"]),
    "wrong type": ("benchmark.seconds", "three", ["benchmark.seconds", "'three'", "number"]),
    "out of range": ("benchmark.rounds", 0, ["benchmark.rounds", "0", "or equal to 1"]),
    "unknown option": (
        "precisions.int8.subsetsize", 3, ["precisions.int8", "'subsetsize'", "subset_size"]),
    "option of another precision": (
        "variants.minilm-fp16.quantize", {"subset_size": 3},
        ["variants.minilm-fp16.quantize", "'subset_size'"]),
    "wrong option value": (
        "variants.minilm-int8.quantize", {"preset": "fast"},
        ["variants.minilm-int8.quantize.preset", "'fast'", "performance"]),
    "unknown precision": ("precisions.int2", {}, ["'int2'", "fp16", "int8"]),
    "precision without recipe": (
        "variants.minilm-fp16.precision", "int4", ["variants.minilm-fp16.precision", "'int4'"]),
    "unknown task": (
        "models.minilm.task", "poetry",
        ["models.minilm.task", "'poetry'", "feature-extraction"]),
    "unknown task option": (
        "models.minilm.options", {"max_len": 1}, ["models.minilm.options", "'max_len'"]),
    "unknown format": ("models.minilm.format", "gguf", ["'gguf'", "transformers"]),
    "unknown source kind": ("models.minilm.source", "ftp:x", ["'ftp'", "package"]),
    "digest that is none": ("models.minilm.sha256", "0x12", ["models.minilm.sha256", "'0x12'"]),
    "unknown limit": (
        "models.minilm.limits", {"memory": 3}, ["models.minilm.limits", "'memory'", "memory_gib"]),
    "no time at all": (
        "models.minilm.limits", {"deadline_s": 0}, ["models.minilm.limits.deadline_s", "0"]),
    "source without kind": ("models.minilm.source", "minilm", ["'minilm'", "KIND:LOCATION"]),
    "branch instead of commit": ("models.minilm.source", "hf:o/n@main", ["main", "40"]),
    "unknown metric": (
        "variants.minilm-int8.gate", {"bleu": ">= 1"},
        ["variants.minilm-int8.gate", "'bleu'", "cosine_mean"]),
    "bound the wrong way round": (
        "variants.minilm-int8.gate", {"cosine_mean": "<= 1"},
        ["variants.minilm-int8.gate.cosine_mean", "'<= 1'", ">="]),
    "no bound": (
        "variants.minilm-int8.gate", {"cosine_mean": "high"}, ["'high'", "'>= NUMBER'"]),
    "unknown device": ("devices", ["CPU", "MYRIAD"], ["devices", "'MYRIAD'", "NPU"]),
    "device twice": ("devices", ["CPU", "CPU"], ["devices", "once"]),
    "unknown validation device": ("validate.device", "TPU", ["validate.device", "'TPU'", "CPU"]),
    "variant of no model": ("variants.minilm-int8.model", "x", ["'x'", "minilm"]),
    "allowed code unknown": ("models.minilm.allow", ["all"], ["models.minilm.allow", "'all'"]),
    "entry that is no mapping": ("variants.minilm-int8", 3, ["variants.minilm-int8", "3"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_mistake_is_one_line_with_key_value_and_remedy(
    case: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    path, value, words = BROKEN[case]
    *parents, key = path.split(".")
    section = fields
    for parent in parents:
        section = section[parent]
    if value is None:
        del section[key]
    else:
        section[key] = value

    message = problem(fields, tmp_path)

    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["mini.lm", "mini lm", "../minilm", ""])
def test_a_name_has_letters_digits_hyphens_and_underscores_only(
    name: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["models"][name] = fields["models"]["minilm"]

    assert "letters, digits" in problem(fields, tmp_path)


def test_a_variant_is_not_named_after_a_precision_that_it_does_not_have(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["variants"]["minilm-int8"]["precision"] = "fp16"
    fields["variants"]["minilm-int8"]["gate"] = {}

    message = problem(fields, tmp_path)

    assert "variants.minilm-int8.precision" in message
    assert "'fp16'" in message
    assert "rename" in message


@pytest.mark.parametrize("name", ["minilm-int8-weights", "minilm-int8_weights", "minilm-int8w"])
def test_a_variant_may_be_named_after_its_precision_with_hyphens_or_less(
    name: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["precisions"]["int8_weights"] = fields["precisions"]["int4_sym"] = {}
    fields["variants"][name] = {"model": "minilm", "precision": "int8_weights", "gate": {}}
    fields["variants"]["minilm-int4"] = {"model": "minilm", "precision": "int4_sym", "gate": {}}
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")

    assert check.load(tmp_path / "params.yaml").variant(name).precision == "int8_weights"


@pytest.mark.parametrize(
    ("name", "precision", "said"),
    [
        ("minilm-int8-weights", "int8", "int8_weights"),
        ("minilm-int8", "int8_weights", "int8"),
        ("minilm-int4_asym", "int4_sym", "int4_asym"),
    ],
)
def test_the_longest_precision_in_a_variants_name_is_what_it_says(
    name: str, precision: str, said: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["precisions"][precision] = {}
    fields["variants"][name] = {"model": "minilm", "precision": precision, "gate": {}}

    assert f"{precision!r}: the name says {said}; rename" in problem(fields, tmp_path)


def test_a_digest_may_stand_beside_any_source(fields: dict[str, Any], tmp_path: Path) -> None:
    fields["models"]["minilm"] |= {"allow": ["pickle"], "sha256": "0" * 64}
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")

    assert check.load(tmp_path / "params.yaml").model("minilm").sha256 == "0" * 64


def test_a_role_name_may_have_any_precision(fields: dict[str, Any], tmp_path: Path) -> None:
    fields["variants"]["minilm-edge"] = {
        "model": "minilm", "precision": "fp16", "quantize": {}, "gate": {},
    }  # fmt: skip
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")

    params = check.load(tmp_path / "params.yaml")

    assert params.variant("minilm-edge").precision == "fp16"


def test_a_variants_options_go_before_its_recipes(fields: dict[str, Any], tmp_path: Path) -> None:
    fields["variants"]["minilm-int8"]["quantize"] = {"subset_size": 7}
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")

    params = check.load(tmp_path / "params.yaml")

    assert params.options(params.variant("minilm-int8"))["subset_size"] == 7
    assert params.options(params.variant("minilm-int8"))["preset"] == "mixed"


@pytest.mark.parametrize("text", ["models: [", "3", "- a", "\x00", "a: &x [*x]"])
def test_what_is_no_params_yaml_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)

    with pytest.raises(SpecError) as caught:
        check.load(path)

    assert "\n" not in str(caught.value)


def test_check_says_the_same_without_running(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields["devices"] = ["VPU"]
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(cli.main, ["check"])

    assert done.exit_code == 1
    assert done.stderr == "error: devices: device 'VPU': have ['CPU', 'GPU', 'NPU', 'AUTO']\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]
