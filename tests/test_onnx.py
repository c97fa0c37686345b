"""ONNX files become artifacts with the outputs of ONNX Runtime, or are refused in one line."""

from pathlib import Path
from typing import Any

import graphs
import onnx
import pytest
from built import Built

from pipeline.errors import DataError, ExportError, PrecisionError, SpecError
from pipeline.networks import ir
from pipeline.spec import Model
from pipeline.steps import export


def model_of(source: str, **fields: Any) -> Model:
    plain = {"name": "m", "source": source, "format": "onnx", "task": "tensor"}
    return Model.from_dict(plain | fields, error=SpecError)


def built(source: Path, folder: Path, **fields: Any) -> Built:
    return Built(model_of(f"file:{source}", **fields), source, folder)


def refused(source: Path, out: Path, **fields: Any) -> str:
    with pytest.raises(ExportError) as e:
        export.write_ir(model_of(f"file:{source}", **fields), source, out)
    assert len(str(e.value).splitlines()) == 1
    return str(e.value)


def external(folder: Path, location: str = "net.onnx_data") -> Path:
    """A folder with a network whose weights lie beside it."""
    graphs.saved(graphs.mlp(), folder / "net.onnx", location=location)
    return folder


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("mlp")
    graphs.saved(graphs.mlp((64, 96, 8)), folder / "source" / "net.onnx")
    return built(folder / "source", folder)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8_weights"])
def test_outputs_are_those_of_onnx_runtime(mlp: Built, precision: str) -> None:
    accuracy = mlp.accuracy(mlp.at(precision))

    assert accuracy.original == "ONNX Runtime"
    assert accuracy.executions[0].bounded()["cosine_min"] > 0.99
    assert mlp.unmet(mlp.at(precision)) == set()


def test_names_of_nodes_and_tensors_stay(mlp: Built) -> None:
    network = ir.read(mlp.folder)

    assert {"MatMul_02", "Relu_0"} <= {op.get_friendly_name() for op in network.get_ops()}
    assert [port.get_names() for port in (*network.inputs, *network.outputs)] == [
        {"x"},
        {"scores"},
    ]


@pytest.mark.parametrize("location", ["net.onnx_data", "below/net.data"])
def test_weights_may_lie_beside_the_network(tmp_path: Path, location: str) -> None:
    (tmp_path / "source" / location).parent.mkdir(parents=True)
    made = built(external(tmp_path / "source", location), tmp_path)

    assert made.accuracy(made.folder).executions[0].bounded()["max_abs_error"] < 1e-5
    assert {path.name for path in made.folder.rglob("*.*")} == {
        "openvino_artifact.json",
        "openvino_model.bin",
        "openvino_model.xml",
    }


def test_weights_are_found_where_every_file_is_a_link(tmp_path: Path) -> None:
    """As in what parsers see of a source, over a cache of DVC that links."""
    blobs, seen = external(tmp_path / "blobs"), tmp_path / "source"
    seen.mkdir()
    for number, path in enumerate(sorted(blobs.iterdir())):
        (seen / path.name).symlink_to(path.rename(blobs / f"blob-{number}"))

    made = built(seen, tmp_path)

    assert made.accuracy(made.folder).executions[0].bounded()["max_abs_error"] < 1e-5


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda f: (f / "net.onnx_data").unlink(), "'net.onnx_data' is not there: want it in the"),
        (lambda f: (f / "net.onnx_data").write_bytes(b"12"), "'net.onnx_data' ends early: tensor"),
        (lambda f: (f / "net.onnx").write_bytes(b""), "no ONNX: it holds no graph"),
        (lambda f: (f / "net.onnx").write_bytes(b"\xff\xff\xff\xff"), "no ONNX, or one that ends"),
        (lambda f: _cut(f / "net.onnx"), "no ONNX, or one that ends early"),
        (lambda f: _relocate(f / "net.onnx", "../secret"), "'../secret' leads out of its folder"),
        (lambda f: _relocate(f / "net.onnx", "/etc/passwd"), "'/etc/passwd' leads out of its"),
        (
            lambda f: graphs.saved(graphs.nested(30), f / "net.onnx"),
            "graphs in graphs, 9 deep",
        ),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_a_line(
    tmp_path: Path, damage: Any, line: str
) -> None:
    damage(external(tmp_path / "source"))

    assert line in refused(tmp_path / "source", tmp_path / "out")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _relocate(path: Path, location: str) -> None:
    made = onnx.load(path, load_external_data=False)
    for tensor in made.graph.initializer:
        tensor.external_data[0].value = location
    onnx.save(made, str(path))


def test_an_operation_that_does_not_convert_is_named_with_the_whole_reason(tmp_path: Path) -> None:
    graphs.saved(graphs.of_unknown_rank(), tmp_path / "source" / "net.onnx")

    line = refused(tmp_path / "source", tmp_path / "out")

    assert line.startswith(f"file:{tmp_path / 'source'}: net.onnx: OpenVINO: Conv-")
    assert line.endswith("(y): The input data tensor's rank has to be known (static)")


def test_of_several_networks_the_entry_says_which(tmp_path: Path) -> None:
    for name in ("a", "b"):
        graphs.saved(graphs.mlp(), tmp_path / "source" / f"{name}.v2.onnx")

    assert "want files: one of ['a.v2.onnx', 'b.v2.onnx']" in refused(
        tmp_path / "source", tmp_path / "out"
    )
    export.write_ir(
        model_of(f"file:{tmp_path / 'source'}", files="b.v2.onnx"),
        tmp_path / "source",
        tmp_path / "b",
    )
    assert ir.networks(tmp_path / "b") == [ir.MODEL]


def test_networks_of_an_entry_are_called_as_it_calls_them(tmp_path: Path) -> None:
    for name in ("enc", "dec"):
        graphs.saved(graphs.mlp(), tmp_path / "source" / "onnx" / f"{name}.onnx")
    files = {"encoder": "onnx/enc.onnx", "decoder": "onnx/dec.onnx"}

    with pytest.raises(DataError, match="runs one network, here are .*kinds/tasks/NAME.py"):
        built(tmp_path / "source", tmp_path, files=files)

    assert ir.networks(tmp_path / "ir") == [ir.DECODER, ir.ENCODER]


def test_what_the_entry_wants_beside_lies_beside(tmp_path: Path) -> None:
    graphs.saved(graphs.mlp(), tmp_path / "source" / "net.onnx")
    (tmp_path / "source" / "labels.txt").write_text("a\nb\n")
    (tmp_path / "source" / "notes.txt").write_text("private\n")

    made = built(tmp_path / "source", tmp_path, beside=["labels.*"])

    assert (made.folder / "labels.txt").read_text() == "a\nb\n"
    assert not (made.folder / "notes.txt").exists()


def test_booleans_scalars_and_several_outputs_come_through(tmp_path: Path) -> None:
    graphs.saved(graphs.mixed_inputs(), tmp_path / "source" / "net.onnx")

    made = built(tmp_path / "source", tmp_path)

    assert made.accuracy(made.folder).executions[0].bounded()["cosine_min"] > 0.99999
    assert [port.get_names() for port in ir.read(made.folder).outputs] == [{"scaled:0"}, {"count"}]


@pytest.fixture(scope="module")
def qdq(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("qdq")
    graphs.saved(graphs.quantized(), folder / "source" / "net.onnx")
    return built(folder / "source", folder)


def test_what_arrives_quantized_is_int8_as_it_is(qdq: Built) -> None:
    made = qdq.at("int8")

    assert (made / "openvino_model.bin").read_bytes() == (
        qdq.folder / "openvino_model.bin"
    ).read_bytes()
    assert qdq.accuracy(made).executions[0].bounded()["cosine_min"] > 0.99


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8_weights", "int4_sym"])
def test_what_arrives_quantized_is_quantized_to_nothing_else(qdq: Built, precision: str) -> None:
    with pytest.raises(PrecisionError, match="was quantized by its source: want int8, which keeps"):
        qdq.at(precision)


@pytest.mark.soak
def test_external_data_of_more_than_two_gigabytes_comes_through(tmp_path: Path) -> None:
    """More than one protobuf holds."""
    wide = 16_800
    graphs.saved(
        graphs.mlp((wide, wide, wide, 8)), tmp_path / "source" / "net.onnx", location="w.data"
    )
    assert (tmp_path / "source" / "w.data").stat().st_size > 2 << 30

    made = built(tmp_path / "source", tmp_path)

    assert made.accuracy(made.folder).executions[0].bounded()["cosine_min"] > 0.9999
