"""PyTorch and ONNX models become IR: at the precision that was asked for, whole or not at all."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from pipeline.errors import DataError, ExportError, PrecisionError, SpecError
from pipeline.networks import weights
from pipeline.runtime import convert

torch = pytest.importorskip("torch")
SIZE = 64


class Two(torch.nn.Module):
    """A module with two arguments and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(SIZE, SIZE)

    def forward(self, left: Any, right: Any) -> Any:
        made = self.layer(left) + right
        return made, made.sum(-1)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(SIZE, SIZE), torch.nn.ReLU(), torch.nn.Linear(SIZE, SIZE)]
    return torch.nn.Sequential(*layers)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(path: Path, *inputs: Any) -> Any:
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(out) for out in compiled([np.asarray(array) for array in inputs]).values()]


def samples(count: int) -> list[dict[str, Any]]:
    drawn = np.random.default_rng(0)
    return [{"x": drawn.standard_normal((1, SIZE), np.float32)} for _ in range(count)]


def test_a_path_without_a_folder_is_written_here(here: Path, model: Any) -> None:
    x = torch.randn(1, SIZE)

    made = convert.from_pytorch(model, x, "converted_model.xml")

    assert sorted(path.name for path in here.iterdir()) == [
        "converted_model.bin",
        "converted_model.xml",
    ]
    np.testing.assert_allclose(run(made.path, x)[0], model(x).detach(), atol=1e-5)
    assert made.size_bytes == sum(path.stat().st_size for path in here.iterdir())


def test_the_same_model_gives_the_same_bytes(here: Path, model: Any) -> None:
    read: Callable[[Path], list[bytes]] = lambda path: [  # noqa: E731
        path.read_bytes(),
        path.with_suffix(".bin").read_bytes(),
    ]
    x = torch.zeros(1, SIZE)

    first = read(convert.from_pytorch(model, x, "one/m.xml").path)
    convert.from_pytorch(Two(), (x, x), "between.xml")
    second = read(convert.from_pytorch(model, x, "two/m.xml").path)

    assert first == second


@pytest.mark.parametrize(
    ("precision", "kinds"), [("FP32", {"f32"}), ("FP16", {"f16"}), ("INT8", {"i8", "u8"})]
)
def test_weights_are_what_the_precision_says(
    here: Path, model: Any, precision: str, kinds: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"precision": precision, "input_names": ["x"], "calibration_data": samples(4)}

    made = convert.from_pytorch(model, torch.zeros(1, SIZE), "m.xml", config)

    assert set(weights.sizes(ov.Core().read_model(made.path))) <= kinds
    assert made.precision == precision
    assert capsys.readouterr().out == ""


def test_int8_without_data_offers_two_ways_and_writes_nothing(here: Path, model: Any) -> None:
    with pytest.raises(PrecisionError, match=r"calibration_data.*INT8 weights"):
        convert.from_pytorch(model, torch.zeros(1, SIZE), "m.xml", {"precision": "INT8"})

    assert list(here.iterdir()) == []


def test_a_dict_and_a_tuple_are_arguments(here: Path) -> None:
    left, right = torch.randn(2, SIZE), torch.randn(2, SIZE)

    by_name = convert.from_pytorch(Two().eval(), {"left": left, "right": right}, "dict.xml")
    by_place = convert.from_pytorch(
        Two(), (left, right), "tuple.xml", {"output_names": ["made", "total"]}
    )

    assert list(by_name.inputs) == ["left", "right"]
    assert len(by_name.outputs) == 2
    assert list(by_place.outputs) == ["made", "total"]


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({}, [-1, -1]),
        ({"dynamic_shapes": False}, [1, SIZE]),
        ({"dynamic_axes": {"x": {0: "batch"}}}, [-1, SIZE]),
        ({"dynamic_axes": {"x": [0]}}, [-1, SIZE]),
        ({"input_shapes": {"x": [4, SIZE]}}, [4, SIZE]),
        ({"input_shapes": [4, SIZE]}, [4, SIZE]),
        ({"input_shapes": [[4, SIZE]]}, [4, SIZE]),
    ],
)
def test_shapes_are_those_that_were_asked_for(
    here: Path, model: Any, config: dict[str, Any], shape: list[int]
) -> None:
    config = {"input_names": ["x"], "layout": "NC", **config}

    made = convert.from_pytorch(model, torch.zeros(1, SIZE), "m.xml", config)

    read = ov.Core().read_model(made.path)
    assert made.inputs == {"x": shape}
    assert read.get_parameters()[0].get_layout() == ov.Layout("NC")


def test_onnx_is_kept_when_it_is_asked_for_and_converts_to_the_same(here: Path, model: Any) -> None:
    x = torch.randn(1, SIZE)
    config = {"keep_onnx": True, "opset_version": 14, "input_names": ["x"], "output_names": ["y"]}

    made = convert.from_pytorch(model, x, "m.xml", config)
    assert made.onnx is not None
    again = convert.from_onnx(made.onnx, "n.xml", {"precision": "FP16"})

    assert made.onnx == Path("m.onnx")
    assert 0 < made.onnx_seconds < made.seconds
    assert (again.inputs, again.outputs) == ({"x": [1, SIZE]}, {"y": [1, SIZE]})
    np.testing.assert_allclose(run(again.path, x)[0], run(made.path, x)[0], atol=1e-2)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"precision": "INT4"}, "'INT4': have ['FP32', 'FP16', 'INT8']"),
        ({"presision": "FP16"}, "unknown key 'presision'"),
        ({"input_names": ["a", "b"]}, "the model has 1"),
        ({"input_shapes": {"y": [1, SIZE]}}, "'y': the inputs are ['input']"),
        ({"input_shapes": {"input": [1, 0]}}, "want sizes"),
        ({"input_shapes": {"input": [1, SIZE + 1]}}, "shapes"),
    ],
)
def test_a_config_that_will_not_do_is_told_and_writes_nothing(
    here: Path, model: Any, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError, match=re.escape(said)) as caught:
        convert.from_pytorch(model, torch.zeros(1, SIZE), "m.xml", config)

    assert len(str(caught.value).splitlines()) == 1
    assert list(here.iterdir()) == []


def test_a_failed_conversion_leaves_what_was_there(here: Path, model: Any) -> None:
    convert.from_pytorch(model, torch.zeros(1, SIZE), "m.xml")
    before = {path.name: path.read_bytes() for path in here.iterdir()}

    with pytest.raises(ExportError, match="Sequential: "):
        convert.from_pytorch(model, torch.zeros(1, SIZE + 1), "m.xml")
    with pytest.raises(DataError, match="calibration_data: want a list of dicts"):
        convert.from_pytorch(
            model, torch.zeros(1, SIZE), "m.xml", {"precision": "INT8", "calibration_data": "x"}
        )

    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_what_is_no_onnx_is_told_in_a_line(here: Path, content: bytes | None) -> None:
    if content is not None:
        (here / "model.onnx").write_bytes(content)

    with pytest.raises((SpecError, ExportError), match="model.onnx") as caught:
        convert.from_onnx("model.onnx", "m.xml")

    assert len(str(caught.value).splitlines()) == 1
    assert not (here / "m.xml").exists()
