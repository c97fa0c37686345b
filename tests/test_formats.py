"""A source says its format: by the file that it names, or the only one that there is."""

from pathlib import Path

import pytest
from conftest import ROOT

from pipeline import check, formats, kinds, sizes, spec
from pipeline.errors import PipelineError, SpecError
from pipeline.layout import Layout
from pipeline.spec import Model
from pipeline.steps.fetch import fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PARAMS = """\
models:
  net: {{source: "{source}", task: tensor{more}}}
precisions: {{fp32: {{}}}}
variants: {{net-fp32: {{model: net, precision: fp32}}}}
devices: [CPU]
"""


def model_of(source: str, **fields: object) -> Model:
    return Model.from_dict({"name": "m", "source": source, "task": "tensor", **fields})


@pytest.mark.parametrize(
    ("source", "place", "file"),
    [
        ("file:net.onnx", ".", "net.onnx"),
        ("file:/net.onnx", "/", "net.onnx"),
        ("file:nets/cls.v2.onnx", "nets", "cls.v2.onnx"),
        ("package:rapidocr/models/cls.onnx", "rapidocr/models", "cls.onnx"),
        (f"hf:o/n@{COMMIT}/onnx/model.onnx", f"o/n@{COMMIT}", "onnx/model.onnx"),
    ],
)
def test_a_source_may_end_in_the_file_of_the_network(source: str, place: str, file: str) -> None:
    model = model_of(source)

    assert (model.source_location, model.networks) == (place, {"model": file})
    assert formats.of(model) == "onnx"


def test_the_file_may_stand_in_a_key_of_its_own() -> None:
    assert formats.of(model_of(f"hf:o/n@{COMMIT}", files="onnx/model.onnx")) == "onnx"
    assert model_of("file:x", files={"encoder": "e.onnx"}).networks == {"encoder": "e.onnx"}


@pytest.mark.parametrize("file", ["../secret.onnx", "/etc/net.onnx", "a//b.onnx", "~/net.onnx", ""])
def test_a_file_lies_in_the_source(file: str) -> None:
    with pytest.raises(PipelineError, match="want a path below the source's folder"):
        model_of("file:x", files=file)


@pytest.mark.parametrize(
    ("names", "format"),
    [
        (["net.onnx"], "onnx"),
        (["net.onnx", "README.md", "config.json"], "onnx"),
        (["onnx/model.onnx", "model.safetensors", "config.json"], "transformers"),
        (["net.onnx", "net.tflite"], "transformers"),
        ([], "transformers"),
    ],
)
def test_the_files_of_a_folder_say_its_format(
    tmp_path: Path, names: list[str], format: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert formats.of(model_of(f"file:{tmp_path}")) == format


def test_what_is_not_there_or_on_a_hub_is_taken_for_a_repository() -> None:
    assert formats.of(model_of("file:nowhere")) == "transformers"
    assert formats.of(model_of(f"hf:o/n@{COMMIT}")) == "transformers"


def test_a_format_that_is_given_stands(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        PARAMS.format(source="file:net.onnx", more=", format: transformers")
    )

    assert check.load(tmp_path / "params.yaml").model("net").format == "transformers"


def test_what_holds_other_weights_says_how_they_are_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "repository" / "onnx").mkdir(parents=True)
    for name in ("config.json", "onnx/model.onnx"):
        (tmp_path / "repository" / name).write_text("{}")
    (tmp_path / "params.yaml").write_text(
        PARAMS.format(source="file:repository", more=", format: transformers")
    )

    with pytest.raises(PipelineError, match="files: onnx/model.onnx and no format: brings that"):
        fetch(check.load(Path("params.yaml")).model("net"), Layout())


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        PARAMS.format(source="file:net.onnx", more=", metrics: [bleu]")
    )

    with pytest.raises(SpecError, match=r"models.net.metrics: metric 'bleu': have \['accuracy', "):
        check.load(tmp_path / "params.yaml")


def test_every_ending_of_an_exporter_may_end_a_source() -> None:
    endings = {e for name in kinds.names("format") for e in kinds.load("format", name).ENDINGS}

    assert {e for e in endings if not e.startswith("saved_model")} <= {*spec.MODEL_ENDINGS}


def test_a_colon_that_dvc_does_not_read_is_refused_with_what_to_write(tmp_path: Path) -> None:
    """Between braces DVC's reader takes no colon in a plain text, although YAML 1.2 does."""
    text = PARAMS.format(source="file:net.onnx", more="")
    (tmp_path / "params.yaml").write_text(text.replace('"', ""))

    with pytest.raises(
        SpecError, match="line 2, column 21: DVC reads no colon .* want the text in"
    ):
        check.load(tmp_path / "params.yaml")


def test_a_size_that_only_other_tasks_know_is_no_matter_to_a_tensor(tmp_path: Path) -> None:
    """So a bare model is two lines beside the default params.yaml, whose texts have a length."""
    model = '  net: {source: "file:net.onnx", task: tensor}\n'
    text = (ROOT / "params.yaml").read_text().replace("models:\n", f"models:\n{model}")
    (tmp_path / "params.yaml").write_text(text)

    params = check.load(tmp_path / "params.yaml")

    assert sizes.of(params, params.model("net")) == ({"batch": 1},)
    assert sizes.of(params, params.model("minilm")) == ({"batch": 1, "length": 64},)
    (tmp_path / "params.yaml").write_text(text.replace("length: 64", "lenght: 64"))
    with pytest.raises(SpecError, match="benchmark.sizes.0: unknown key 'lenght'"):
        check.load(tmp_path / "params.yaml")
