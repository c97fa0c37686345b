"""ovpipe devices, infer and bench: what they answer, and how they are typed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from click.testing import CliRunner, Result
from openvino import opset13 as op

from pipeline import cli
from pipeline.errors import SpecError
from pipeline.runtime import bench
from pipeline.runtime.devices import Device


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVPIPE_HOME", str(tmp_path / "home"))


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network that adds what it is fed as `x` and as `mask`, of open shapes."""
    x = op.parameter([-1, -1], np.float32, name="x")
    mask = op.parameter([-1, -1], np.int64, name="mask")
    out = op.add(x, op.convert(mask, "f32")).output(0)
    for port, name in ((x.output(0), "x"), (mask.output(0), "mask"), (out, "out")):
        port.get_tensor().set_names({name})
    ov.save_model(ov.Model([op.result(out)], [x, mask]), tmp_path / "ir" / "openvino_model.xml")
    return tmp_path / "ir"


def ovpipe(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def answered(*words: object) -> dict[str, Any]:
    done = ovpipe(*words, "--json")
    assert done.exit_code == 0, done.output
    fields: dict[str, Any] = json.loads(done.stdout)
    return fields


def refused(*words: object) -> str:
    done = ovpipe(*words)
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_devices_are_listed_with_what_is_known_of_them() -> None:
    told = answered("devices")

    found = [Device.from_dict(fields) for fields in told["devices"]]
    assert [device.name for device in found] == ov.Core().available_devices
    assert set(told["lacking"]) == {"CPU", "GPU", "NPU"} - {d.name.split(".")[0] for d in found}
    text = ovpipe("devices").stdout
    assert all(device.full_name in text for device in found)


# infer


def test_tensors_are_answered_by_the_outputs(network: Path) -> None:
    np.savez("fed.npz", x=np.ones((1, 3), np.float32), mask=np.arange(3)[None])

    told = answered("infer", network, "--tensors", "fed.npz", "-d", "AUTO:NPU,CPU")

    assert told["outputs"] == {"out": [[1.0, 2.0, 3.0]]}
    assert told["execution_devices"] == ["CPU"] or "NPU" in told["execution_devices"]
    assert told["latency_ms"] > 0
    assert "out: float32[1, 3] 1 2 3" in ovpipe("infer", network, "--tensors", "fed.npz").stdout


def test_a_text_is_answered_as_the_task_has_it(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)

    told = answered(
        "infer", "tiny-fp16", "--text", "a cat", "--text", "a dog", "-d", "AUTO:GPU,CPU"
    )

    assert [len(vector) for vector in told["answers"]] == [32, 32]
    assert told["task"] == "feature-extraction"
    assert told["variant"] == "tiny-fp16"
    assert told["cid"].startswith("bafy")
    lines = ovpipe("infer", "tiny-fp16", "--text", "a cat").stdout.splitlines()
    assert lines[-1].startswith("float32[32] ")


def test_what_is_asked_must_be_of_one_sort(network: Path) -> None:
    Path("x.wav").touch()

    for words in ((), ("--text", "a", "--audio", "x.wav")):
        done = ovpipe("infer", network, *words)
        assert done.exit_code == 2
        assert "want one of --text" in done.stderr


def test_a_file_that_holds_no_arrays_is_refused(network: Path) -> None:
    Path("fed.npz").write_text("no arrays")
    assert "fed.npz: want arrays" in refused("infer", network, "--tensors", "fed.npz")

    np.savez("fed.npz", x=np.array([{}], dtype=object))
    assert "fed.npz: want arrays" in refused("infer", network, "--tensors", "fed.npz")


def test_a_network_without_a_task_wants_tensors(network: Path) -> None:
    assert "want" in refused("infer", network, "--text", "a")


@pytest.mark.parametrize("command", ["infer", "bench"])
def test_a_device_that_left_is_told_so(command: str, network: Path) -> None:
    words = ("--text", "a") if command == "infer" else ()

    said = refused(command, network, *words, "-d", "HETERO:MYRIAD,CPU")

    assert said == "error: device 'MYRIAD' left OpenVINO in 2023: NPU is its successor\n"


# bench

SHAPE = "x[1,16],mask[1,16]"


def test_the_report_has_the_keys_of_benchmark_app(network: Path) -> None:
    told = answered("bench", network, "-shape", SHAPE, "-t", 0.2, "-hint", "latency", "-json_stats")

    report = json.loads(Path("benchmark_report.json").read_text())
    assert report == {key: told[key] for key in report}
    assert set(report) == {"cmd_options", "configuration_setup", "execution_results"}
    assert report["cmd_options"]["-shape"] == SHAPE
    assert report["configuration_setup"]["API"] == "sync"
    results = {name: float(figure) for name, figure in report["execution_results"].items()}
    assert set(results) == {
        "read model time (ms)", "compile model time (ms)", "first inference time (ms)",
        "total execution time (ms)", "total number of iterations", "latency (ms)", "avg latency",
        "min latency", "max latency", "throughput",
    }  # fmt: skip
    assert results["min latency"] <= results["latency (ms)"] <= results["max latency"]
    per_s = results["total number of iterations"] / results["total execution time (ms)"] * 1e3
    assert results["throughput"] == pytest.approx(per_s, rel=0.01)


def test_options_reach_openvino(network: Path) -> None:
    options = ("-nstreams", 2, "-nthreads", 2, "-infer_precision", "f32", "-b", 4)

    told = answered("bench", network, "-shape", SHAPE, "-t", 0.1, *options)

    setup = told["configuration_setup"]
    assert setup["batch size"] == "4"
    assert setup["shapes"] == "x[4, 16],mask[4, 16]"
    assert (setup["streams"], setup["threads"], setup["precision"]) == ("2", "2", "f32")
    assert setup["API"] == "async"
    assert int(setup["number of parallel infer requests"]) == 2
    assert not Path("benchmark_report.json").exists()


def test_options_may_be_of_each_device(network: Path) -> None:
    options = ("-nstreams", "CPU:1", "-infer_precision", "CPU:f32", "-d", "MULTI:CPU")

    told = answered("bench", network, "-shape", SHAPE, "-t", 0.1, *options)

    assert told["configuration_setup"]["precision"] == "f32"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "its shapes are open, x[?,?],mask[?,?]: want a number for each ?"),
        (("-b", 2), "its shapes are open, x[2,?]"),
        (("-shape", "x[1,16"), "want it as input_ids[1,16],attention_mask[1,16]"),
        (("-shape", "y[1,16]"), "no input 'y': have ['x', 'mask']"),
        (("-shape", "[1,16]"), "of which input: ['x', 'mask']"),
        (("-shape", "x[1,16],mask[1,17]"), "shapes x[1,16],mask[1,17]"),
        (("-shape", SHAPE, "-nstreams", "CPU:1;GPU:2"), "want a value for each device"),
        (("-shape", SHAPE, "-infer_precision", "i3"), "device 'CPU'"),
    ],
)
def test_what_does_not_fit_is_one_line(
    options: tuple[object, ...], said: str, network: Path
) -> None:
    assert said in refused("bench", network, "-t", 0.1, *options)


def test_what_remembers_and_what_has_several_networks_is_for_the_stage(network: Path) -> None:
    (network / "openvino_decoder_model.xml").write_bytes(
        (network / "openvino_model.xml").read_bytes()
    )
    (network / "openvino_decoder_model.bin").write_bytes(
        (network / "openvino_model.bin").read_bytes()
    )
    assert "want one by itself" in refused("bench", network, "-shape", SHAPE)

    x = op.parameter([1, 4], np.float32, name="x")
    zeros, shape = op.constant(np.zeros((1, 4), np.float32)), ov.PartialShape([1, 4])
    state = op.read_value(zeros, "state", ov.Type.f32, shape)
    kept = op.assign(state, "state")
    out = op.result(op.add(x, state))
    ov.save_model(ov.Model([out], [kept], [x], "remembers"), "remembers/openvino_model.xml")
    assert "it remembers from call to call" in refused("bench", "remembers", "-t", 0.1)


def test_a_shape_without_a_name_is_that_of_the_only_input() -> None:
    assert bench.shapes("[1,3,224,224]", ["pixels"]) == {"pixels": "[1,3,224,224]"}
    assert bench.shapes("a[1..8,?], b[]", ["a", "b"]) == {"a": "[1..8,?]", "b": "[]"}
    with pytest.raises(SpecError, match="want it as"):
        bench.shapes("", ["pixels"])
