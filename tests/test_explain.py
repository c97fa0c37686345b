"""ovpipe explain: it names the layer that was spoiled on purpose, and what it suggests works."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as ops
import pytest
from click.testing import CliRunner, Result
from conftest import Fed
from onnx import TensorProto, helper, numpy_helper
from ruamel.yaml import YAML

from pipeline import check, cli, kinds
from pipeline.errors import PrecisionError
from pipeline.evidence import Accuracy
from pipeline.layout import Layout
from pipeline.networks import canonical, ir, weights, writer
from pipeline.networks.layers import Layers
from pipeline.steps import _trials, calibration, export, fetch, quantize, reference, validate
from pipeline.steps._trials import Trials

WIDTH, LAYERS, SPOILED = 64, 4, "layer1"
PARAMS = f"""\
models:
  net:
    source: file:model/net.onnx
    task: tensor
    inputs: {{x: {{shape: [1, {WIDTH}]}}}}
    calibration: calibration.npz
    validation: validation.npz
precisions:
  fp32: {{}}
  fp16: {{}}
  int8: {{preset: mixed, subset_size: 8}}
  int4_asym: {{group_size: 32}}
variants:
  net-fp32: {{model: net, precision: fp32}}
  net-fp16: {{model: net, precision: fp16}}
  net-int8: {{model: net, precision: int8, quantize: {{subset_size: 12}}}}
  net-int4: {{model: net, precision: int4_asym}}
  net-unbuilt: {{model: net, precision: int8}}
devices: [CPU]
"""


def matrices() -> list[Any]:
    """Weights of a network in which one layer has what eight bits cannot hold.

    What goes into it has one channel three thousand times as large as the others, which its weights
    make as small again.
    """
    drawn = np.random.default_rng(0)
    made = [drawn.normal(size=(WIDTH, WIDTH)) * (2 / WIDTH) ** 0.5 for _ in range(LAYERS)]
    made[0][:, 0] *= 3000
    made[1][0] /= 3000
    return [matrix.astype(np.float32) for matrix in made]


def write_onnx(path: Path) -> None:
    """That network as ONNX, its layers called layer0 and so on."""
    nodes, value = [], "x"
    for index in range(LAYERS):
        last = index == LAYERS - 1
        nodes.append(
            helper.make_node("MatMul", [value, f"w{index}"], [f"m{index}"], f"layer{index}")
        )
        value = f"m{index}"
        if not last:
            nodes.append(helper.make_node("Relu", [value], [f"r{index}"], f"relu{index}"))
            value = f"r{index}"
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WIDTH])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, WIDTH])],
        [numpy_helper.from_array(matrix, f"w{index}") for index, matrix in enumerate(matrices())],
    )
    path.parent.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of that network in which net-int8 and net-int4 are there, and net-fp16."""
    folder = tmp_path_factory.mktemp("project")
    drawn = np.random.default_rng(1)
    for name, count in (("calibration", 12), ("validation", 10)):
        np.savez(folder / f"{name}.npz", x=drawn.normal(size=(count, WIDTH)).astype(np.float32))
    write_onnx(folder / "model" / "net.onnx")
    (folder / "params.yaml").write_text(PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        layout = Layout()
        model = check.load(layout.params).model("net")
        for stage in (fetch.fetch, export.export, calibration.calibration, reference.reference):
            stage(model, layout)
        build("net-int8", "net-int4")
        params = check.load(layout.params)
        quantize.quantize(params, params.variant("net-fp16"), layout)
    return folder


def build(*variants: str) -> None:
    layout = Layout()
    params = check.load(layout.params)
    for name in variants:
        quantize.quantize(params, params.variant(name), layout)
        validate.validate(params, params.variant(name), layout)


@pytest.fixture(autouse=True)
def _here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def explain(*words: str) -> Result:
    return CliRunner().invoke(cli.main, ["explain", *words])


@contextmanager
def changed(old: str, new: str) -> Iterator[None]:
    """A while in which params.yaml says something else."""
    whole = Path("params.yaml").read_text()
    try:
        Path("params.yaml").write_text(whole.replace(old, new))
        yield
    finally:
        Path("params.yaml").write_text(whole)


def test_the_spoiled_layer_is_named_and_leaving_it_brings_most_of_the_accuracy_back() -> None:
    done = explain("net-int4", "--json")

    told = json.loads(done.stdout)
    worst = told["networks"]["openvino_model"]["worst"][0]
    assert (worst["layer"], worst["type"]) == (SPOILED, "MatMul")
    assert worst["share"] > 0.5
    assert worst["weight_bytes"] == 4 * WIDTH * WIDTH
    assert SPOILED in told["quantize"]["ignored_scope"]["names"]
    assert len(told["quantize"]["ignored_scope"]["names"]) <= LAYERS / 2
    before, after = (1 - told["checked"][when]["cosine_mean"] for when in ("before", "after"))
    assert after < before / 2


def test_the_line_that_is_shown_makes_the_variant_that_was_promised() -> None:
    shown = explain("net-int8", "--leave", "1").stdout
    (line,) = re.findall("^  (quantize: .*)$", shown, re.MULTILINE)
    (before, after) = re.findall(r"^  cosine_mean +(\S+) -> (\S+)$", shown, re.MULTILINE)[0]
    entry = {"model": "net", "precision": "int8", **YAML(typ="safe").load(line)}

    with changed("variants:\n", f"variants:\n  net-better: {json.dumps(entry)}\n"):
        build("net-better")

    accuracy = Accuracy.read(Layout().accuracy("net-better"))
    measured = accuracy.executions[0].bounded()["cosine_mean"]
    assert entry["quantize"] == {"subset_size": 12, "ignored_scope": {"names": [SPOILED]}}
    assert f"{measured:.6g}" == after
    assert 1 - measured < (1 - float(before)) / 3


def test_what_is_suggested_is_not_quantized_if_that_is_not_wanted() -> None:
    shown = explain("net-int4", "--no-check", "--inputs", "3").stdout

    assert "% on 3 inputs; 4 of 4 layers tried" in shown
    assert f"  {SPOILED}  MatMul" in shown
    assert "  quantize: {ignored_scope: {names: [" in shown
    assert "anew" not in shown


def test_of_halved_weights_it_is_said_that_there_is_little_to_gain() -> None:
    shown = explain("net-fp16").stdout

    assert "that is little to gain" in shown
    assert "fp16 has no ignored_scope" in shown


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("net-int9", "variant 'net-int9': have ['net-fp16', "),
        ("net-fp32", "variant 'net-fp32': fp32 quantizes nothing"),
        ("net-unbuilt", "variant 'net-unbuilt': artifacts/ir/net-unbuilt: not there: run `ovpipe"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(variant: str, said: str) -> None:
    done = explain(variant)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_variant_that_is_not_built_as_params_yaml_has_it_is_refused() -> None:
    with changed("subset_size: 12", "subset_size: 11"):
        done = explain("net-int8")

    assert done.exit_code == 1
    assert "was built as int8" in done.stderr
    assert done.stderr.count("\n") == 1


# Layers restored.


def convolutions() -> ov.Model:
    """Two branches of convolutions with biases that are joined, then a residual and a MatMul."""
    drawn = np.random.default_rng(2)

    def weight(*shape: int) -> Any:
        return ops.constant(drawn.normal(size=shape).astype(np.float32) * 0.3)

    def convolved(value: Any, name: str, channels: int, of: int) -> Any:
        ones, zeros = [1, 1], [0, 0]
        made = ops.convolution(
            value, weight(channels, of, 1, 1), ones, zeros, zeros, ones, name=name
        )
        return ops.relu(ops.add(made, weight(1, channels, 1, 1), name=f"{name}_bias"))

    x = ops.parameter([1, 3, 8, 8], np.float32, name="x")
    branches = [convolved(x, name, 4, 3) for name in ("left", "right")]
    joined = ops.concat(branches, 1)
    value = ops.add(convolved(joined, "joined", 8, 8), joined, name="residual")
    pooled = ops.reshape(
        ops.max_pool(value, [8, 8], [1, 1], [0, 0], [0, 0], [8, 8]).output(0),
        np.int64([1, 8]),
        False,
    )
    return ov.Model([ops.result(ops.matmul(pooled, weight(8, 5), False, False, name="last"))], [x])


def attention() -> ov.Model:
    """A layer of attention, whose inputs a quantization for transformers smooths."""
    drawn = np.random.default_rng(3)
    x = ops.parameter([1, -1, 32], np.float32, name="x")
    query, key, value = (
        ops.matmul(
            x, ops.constant(drawn.normal(size=(32, 32)).astype(np.float32)), False, False, name=n
        )
        for n in ("query", "key", "value")
    )
    scores = ops.softmax(ops.matmul(query, key, False, True, name="scores"), -1)
    mixed = ops.matmul(scores, value, False, False, name="mixed")
    return ov.Model([ops.result(ops.add(mixed, x, name="residual"))], [x])


def both(model: ov.Model, folder: Path, **options: Any) -> tuple[ov.Model, ov.Model]:
    """A network as it is read from an export, and from an artifact at int8."""
    writer.write(model, folder, "original")
    exported, precision = ir.read(folder, "original"), kinds.load("precision", "int8")
    keep = canonical.names(exported)
    applied, _ = precision.apply(exported, precision.Options.from_dict(options), fed(exported))
    writer.write(applied, folder, "quantized", keep=keep)
    return ir.read(folder, "original"), ir.read(folder, "quantized")


def fed(model: ov.Model) -> Any:
    shape = [5 if axis.is_dynamic else axis.get_length() for axis in model.inputs[0].partial_shape]
    drawn = np.random.default_rng(4)
    return Fed({"x": drawn.normal(size=shape).astype(np.float32)} for _ in range(6))


@pytest.mark.parametrize(
    ("make", "options", "layers"),
    [
        (convolutions, {"preset": "mixed"}, {"left", "right", "joined", "last"}),
        (attention, {"model_type": "transformer"}, {"query", "key", "value"}),
    ],
)
def test_with_all_layers_restored_the_outputs_are_the_originals(
    make: Callable[[], ov.Model], options: dict[str, Any], layers: set[str], tmp_path: Path
) -> None:
    original, quantized = both(make(), tmp_path, **options)

    found = Layers(original, quantized)
    trials = Trials(found, original, quantized, fed(original))

    names = {layer.name for layer in found.found}
    assert layers <= names
    assert trials.error > 1e-6
    assert trials.gain(names) == pytest.approx(1, abs=1e-6)
    assert all(trials.gain({name}) < 1 for name in layers)


def test_of_many_layers_runs_are_tried_first_and_the_worst_of_them_alone(tmp_path: Path) -> None:
    original, quantized = both(convolutions(), tmp_path)
    trials = Trials(Layers(original, quantized), original, quantized, fed(original))

    every, some = trials.shares(), trials.shares(most=2)

    assert len(every) == len(trials.layers.found) > 3
    assert 0 < len(some) < len(every)
    assert {name: every[name] for name in some} == some


def test_a_layer_that_spoils_what_another_spoils_too_is_not_suggested_beside_it() -> None:
    def gain(names: Any) -> float:
        return 0.6 * bool({"a", "b"} & {*names}) + 0.2 * len({"c", "e"} & {*names})

    shares = {"c": 0.2, "a": 0.6, "b": 0.6, "d": 0.0, "e": 0.2}

    assert list(_trials.worth_leaving(gain, shares, most=9)) == ["a", "c", "e"]
    assert list(_trials.worth_leaving(gain, shares, most=2)) == ["a", "c"]


# An ignored scope for several networks.


def two_networks(folder: Path) -> None:
    folder.mkdir()
    for name in ("openvino_encoder_model", "openvino_decoder_model"):
        x = ops.parameter([1, 64], np.float32, name="x")
        drawn = np.random.default_rng(5)
        value: Any = x
        for part in ("first", "second"):
            matrix = ops.constant(drawn.normal(size=(64, 64)).astype(np.float32))
            value = ops.matmul(value, matrix, False, False, name=f"{name}.{part}")
        writer.write(ov.Model([ops.result(value)], [x]), folder, name)


def test_an_ignored_scope_may_name_a_layer_of_one_of_several_networks(tmp_path: Path) -> None:
    two_networks(tmp_path / "export")
    options = {"ignored_scope": {"names": ["openvino_decoder_model.first"]}}

    quantize.convert(tmp_path / "export", "int8_weights", options, Path(), tmp_path / "ir")

    kept = {
        n: weights.sizes(ir.read(tmp_path / "ir", n)).get("f32", 0)
        for n in ir.networks(tmp_path / "ir")
    }
    assert kept == {"openvino_decoder_model": 4 * 64 * 64, "openvino_encoder_model": 0}


def test_an_ignored_scope_must_name_something_in_one_of_several_networks(tmp_path: Path) -> None:
    two_networks(tmp_path / "export")
    options = {"ignored_scope": {"names": ["openvino_decoder_model.third"]}}

    with pytest.raises(PrecisionError, match=r"names: \['openvino_decoder_model.third'\]: in none"):
        quantize.convert(tmp_path / "export", "int8_weights", options, Path(), tmp_path / "ir")
