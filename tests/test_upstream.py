"""A caller written for IPFS Accelerate: its names, keys and flags, and what was broken there.

The model is two tokens' worth of OpenVINO, made here; what texts, pictures and sounds become is
tested where the tasks are.
"""

import ast
import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from conftest import ROOT
from openvino import opset13 as op

from ipfs_accelerate_py.hardware import HardwareDetector, HardwareProfile
from ipfs_accelerate_py.hardware.backends import (
    BACKEND_REGISTRY,
    get_backend,
    list_available_backends,
)
from ipfs_accelerate_py.hardware.backends.cpu_backend import CPUBackend
from ipfs_accelerate_py.hardware.backends.openvino_backend import OpenVINOBackend
from ipfs_accelerate_py.model import ModelAccelerator, ModelManager, ModelWrapper
from pipeline.errors import DeviceError, SpecError
from pipeline.ipfs.unixfs import folder_cid
from pipeline.networks import weights
from pipeline.runtime import config as configs
from pipeline.runtime.answers import resident_mb
from pipeline.runtime.store import Store

IDS = [101, 2054, 2154, 102]
VOCABULARY, SIZE = 3000, 32


def network() -> ov.Model:
    """Token ids and a mask become a vector of each token."""
    ids = op.parameter([-1, -1], np.int64, name="input_ids")
    mask = op.parameter([-1, -1], np.int64, name="attention_mask")
    for parameter in (ids, mask):
        parameter.output(0).set_names({parameter.friendly_name})
    drawn = np.random.default_rng(0)
    table = op.constant(drawn.standard_normal((VOCABULARY, SIZE)).astype(np.float32))
    rows = op.gather(table, ids, op.constant(np.int64(0)))
    kept = op.multiply(rows, op.unsqueeze(op.convert(mask, "f32"), op.constant(np.int64(2))))
    made = op.matmul(
        kept, op.constant(drawn.standard_normal((SIZE, SIZE)).astype(np.float32)), False, True
    )
    made.output(0).set_names({"logits"})
    return ov.Model([made], [ids, mask], "tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IR of fp32 that nobody described."""
    path = tmp_path_factory.mktemp("ir") / "tiny"
    path.mkdir()
    ov.save_model(network(), path / "openvino_model.xml", compress_to_fp16=False)
    return path


@pytest.fixture
def name(folder: Path) -> str:
    return str(folder)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVPIPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def backend() -> OpenVINOBackend:
    return OpenVINOBackend()


def loaded(backend: OpenVINOBackend, name: str, **config: Any) -> dict[str, Any]:
    answer = backend.load_model(name, config)
    assert answer["status"] == "success", answer
    return answer


def compiled(backend: OpenVINOBackend, key: str) -> ov.CompiledModel:
    [session] = backend.models[key]["loaded_model"].sessions.values()
    return session.compiled


# Names


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("__init__", "config"),
        ("is_available", ""),
        ("get_device_info", "device_name"),
        ("get_all_devices", ""),
        ("load_model", "model_name config"),
        ("unload_model", "model_name device"),
        ("run_inference", "model_name content config inputs"),
        ("get_optimum_integration", ""),
        ("load_model_with_optimum", "model_name config"),
        ("load_huggingface_model", "model_name_or_path model_type device config"),
        ("run_huggingface_inference", "model_name_or_path inputs config"),
        ("convert_from_pytorch", "model example_inputs output_path config"),
        ("convert_from_onnx", "onnx_path output_path config"),
    ],
)
def test_a_method_has_the_parameters_that_callers_name(method: str, parameters: str) -> None:
    signature = inspect.signature(getattr(OpenVINOBackend, method))

    assert list(signature.parameters)[1:] == parameters.split()


def test_backends_are_had_by_name() -> None:
    assert dict(BACKEND_REGISTRY) == {"cpu": CPUBackend, "openvino": OpenVINOBackend}
    assert list_available_backends() == ["cpu", "openvino"]
    assert isinstance(get_backend("openvino", {"openvino_device": "AUTO"}), OpenVINOBackend)
    assert isinstance(get_backend("intel"), OpenVINOBackend)
    with pytest.raises(SpecError, match=r"'tpu': have \['cpu', 'openvino'\]"):
        get_backend("tpu")


def test_attributes_that_callers_touch_are_there(backend: OpenVINOBackend, name: str) -> None:
    loaded(backend, name)

    assert list(backend.models) == [f"{name}_CPU"]
    assert "CPU" in backend._available_devices
    assert backend._core.available_devices == backend._available_devices
    assert backend._version == ov.__version__


# What upstream_api.md lists under "Config keys read".
CONFIG_KEYS = """
cache_dir openvino_device precision device model_type model_path model_format use_optimum
mixed_precision mixed_precision_config multi_device device_priorities cpu_threads dynamic_shapes
performance_hint model_caching gpu_fp16_enable gpu_optimize calibration_data calibration_samples
precompile_shapes input_shapes compression optimization_level trust_remote_code batch_size
sequence_length execution_order normalize imagenet_norm sample_rate original_sample_rate
feature_size feature_type max_length min_length num_beams temperature top_k top_p dynamic_axes
input_names output_names opset_version keep_onnx layout
"""


def test_every_config_key_is_known_and_documented() -> None:
    text = (ROOT / "docs" / "runtime.md").read_text()

    assert {key.name for key in configs.KEYS} == set(CONFIG_KEYS.split())
    for key in configs.KEYS:
        row = f"| `{key.name}` | {key.calls.replace(' ', ', ')} | {key.fate} | {key.meaning} |"
        assert row in text, row


# Returned keys


def test_a_device_has_the_keys_that_callers_read(backend: OpenVINOBackend) -> None:
    found, absent = backend.get_device_info("CPU"), backend.get_device_info("MYRIAD")

    assert found.keys() >= {
        "device_name", "device_type", "full_name", "supports_fp32", "supports_fp16",
        "supports_int8", "cpu_threads", "architecture",
    }  # fmt: skip
    assert (found["device_name"], found["device_type"]) == ("CPU", "CPU")
    assert found["cpu_threads"] >= 1
    assert backend.get_all_devices()[0] == found
    assert absent["available"] is False
    assert "NPU is its successor" in absent["message"]


def test_a_load_and_a_run_have_the_keys_that_callers_read(
    backend: OpenVINOBackend, name: str
) -> None:
    first, again = loaded(backend, name), loaded(backend, name)
    run = backend.run_inference(name, {"input_ids": IDS, "attention_mask": [1] * 4}, {})
    gone, never = backend.unload_model(name), backend.unload_model(name, "GPU")

    assert first.keys() >= {
        "model_name", "device", "model_format", "precision", "inputs_info", "outputs_info"
    }  # fmt: skip
    assert "already_loaded" not in first
    assert again["already_loaded"] is True
    assert run.keys() >= {
        "status", "model_name", "device", "latency_ms", "throughput_items_per_sec",
        "memory_usage_mb", "results", "outputs", "execution_order", "batch_size", "model_type",
        "optimum_integration", "message",
    }  # fmt: skip
    assert run["results"] is run["outputs"]
    assert run["throughput_items_per_sec"] == pytest.approx(1e3 / run["latency_ms"])
    assert (gone["status"], never["status"]) == ("success", "error")
    assert backend.models == {}


def test_the_methods_of_hugging_face_are_the_same(backend: OpenVINOBackend, name: str) -> None:
    one = backend.load_huggingface_model(name, "text", "AUTO", {"precision": "FP32"})
    run = backend.run_huggingface_inference(
        name, {"input_ids": [IDS], "attention_mask": [[1] * 4]}, {"device": "AUTO"}
    )
    two = backend.load_model_with_optimum(name, {"model_type": "text"})

    assert (one["status"], run["status"], two["status"]) == ("success",) * 3
    assert "ov_model_type" in one
    assert run["outputs"]["logits"].shape == (1, 4, SIZE)
    assert set(backend.models) == {f"{name}_AUTO", f"{name}_CPU"}


def test_optimum_is_told_in_both_spellings(backend: OpenVINOBackend) -> None:
    told = backend.get_optimum_integration()

    assert told.keys() >= {
        "available", "version", "supported_models", "quantization_support", "training_support",
        "config_support", "default_config", "requires_transformers",
        "sequenceclassification_available", "sequence_classification_available",
        "causallm_available", "causal_lm_available", "seq2seqlm_available", "seq2seq_lm_available",
    }  # fmt: skip
    assert told["default_config"].keys() == {"compression", "optimization_level"}
    assert told["sequenceclassification_available"] == told["sequence_classification_available"]
    for model in told["supported_models"]:
        assert model.keys() == {"type", "class_name", "available"}


# What a run takes


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", ["nested", "numpy", "torch"])
def test_lists_arrays_and_tensors_of_pytorch_are_one_thing(
    backend: OpenVINOBackend, name: str, kind: str, batch: int
) -> None:
    make: Any = {"nested": list, "numpy": np.array}.get(kind)
    if make is None:
        make = pytest.importorskip("torch").tensor
    inputs = {"input_ids": make([IDS] * batch), "attention_mask": make([[1] * 4] * batch)}

    run = backend.run_inference(name, inputs, {"device": "CPU", "model_type": "text"})

    assert run["status"] == "success", run
    assert run["results"]["logits"].shape == (batch, 4, SIZE)
    assert run["batch_size"] == batch
    assert run["throughput_items_per_sec"] == pytest.approx(batch * 1e3 / run["latency_ms"])


def test_both_names_of_the_second_argument_are_taken(backend: OpenVINOBackend, name: str) -> None:
    content = {"input_ids": IDS, "attention_mask": [1] * 4}

    one = backend.run_inference(name, content=content)
    two = backend.run_inference(name, inputs=content)

    np.testing.assert_array_equal(one["results"]["logits"], two["results"]["logits"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "inputs: none"),
        ({"pixels": [1]}, "inputs: ['pixels']: the network wants ['attention_mask', 'input_ids']"),
        ({"input_ids": [[1, 2], [3]]}, "lists of different lengths"),
        ({"input_ids": "text"}, "input_ids"),
        ({"input_ids": [1.5, 2.5]}, "input 'input_ids' is float64"),
        ({"input_text": "a text"}, "nothing says what it is for: want tensors"),
    ],
)
def test_what_cannot_be_run_is_an_answer_in_one_line(
    backend: OpenVINOBackend, name: str, content: Any, said: str
) -> None:
    answer = backend.run_inference(name, content)

    assert answer["status"] == "error"
    assert said in answer["message"]
    assert len(answer["message"].splitlines()) == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"devise": "CPU"}, "unknown key 'devise': have ["),
        ({"cpu_threads": 0}, "cpu_threads: 0: want a whole number"),
        ({"device": "MYRIAD"}, "NPU is its successor"),
        ({"device": "TPU"}, "'TPU'"),
        ({"performance_hint": "FAST"}, "performance_hint: 'FAST': have ['LATENCY'"),
        ({"model_type": "smell"}, "model_type: 'smell': have ['text', 'vision'"),
        ({"precision": "FP8"}, "fp8"),
        ({"dynamic_shapes": False}, "dynamic_shapes: False: want input_shapes"),
        ({"input_shapes": {"x": [1, 2]}}, "input_shapes: 'x': the inputs are"),
        ({"model_format": "ONNX"}, "is no ONNX"),
        ("CPU", "config: 'CPU': want a dict"),
    ],
)
def test_a_config_that_will_not_do_is_an_answer_in_one_line(
    backend: OpenVINOBackend, name: str, config: Any, said: str
) -> None:
    answer = backend.load_model(name, config)

    assert answer["status"] == "error"
    assert said in answer["message"]
    assert len(answer["message"].splitlines()) == 1
    assert backend.models == {}


def test_a_key_that_is_gone_is_answered_with_why(backend: OpenVINOBackend, name: str) -> None:
    answer = loaded(backend, name, optimization_level=3, gpu_optimize="modern", use_optimum=False)

    assert [line.partition(":")[0] for line in answer["notes"]] == [
        "optimization_level", "gpu_optimize"
    ]  # fmt: skip
    assert "performance_hint is what tunes" in answer["notes"][0]


# What was broken there


def test_the_module_that_is_gone_is_imported_nowhere() -> None:
    files = [
        path
        for top in ("pipeline", "ipfs_accelerate_py", "examples", "stages")
        for path in (ROOT / top).rglob("*.py")
    ]

    imported = {
        name
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
    }

    assert "openvino" in imported
    assert [name for name in imported if name and name.startswith("openvino.runtime")] == []


def test_inputs_and_outputs_are_told_by_name(backend: OpenVINOBackend, name: str) -> None:
    answer = loaded(backend, name)

    assert answer["inputs_info"] == {"input_ids": [-1, -1], "attention_mask": [-1, -1]}
    assert answer["outputs_info"] == {"logits": [-1, -1, SIZE]}


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU", "BATCH:CPU(2)"])
def test_a_device_that_is_several_is_no_unknown_one(
    backend: OpenVINOBackend, name: str, device: str
) -> None:
    shapes = {"input_ids": [1, 4], "attention_mask": [1, 4]}
    loaded(backend, name, device=device, **({"input_shapes": shapes} if "BATCH" in device else {}))

    run = backend.run_inference(
        name, {"input_ids": IDS, "attention_mask": [1] * 4}, {"device": device}
    )

    assert run["status"] == "success", run
    assert f"{name}_{device}" in backend.models


def test_keys_become_properties_that_openvino_has(
    backend: OpenVINOBackend, name: str, home: Path
) -> None:
    loaded(backend, name, cpu_threads=1, performance_hint="throughput", precision="FP32")

    one = compiled(backend, f"{name}_CPU")
    assert one.get_property("INFERENCE_NUM_THREADS") == 1
    assert "THROUGHPUT" in str(one.get_property("PERFORMANCE_HINT"))
    assert one.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32


@pytest.mark.parametrize("is_named", [False, True])
def test_what_was_compiled_is_kept_by_cid(
    backend: OpenVINOBackend, folder: Path, home: Path, tmp_path: Path, is_named: bool
) -> None:
    store, cid = Store(home), folder_cid(folder)
    store.keep(folder, cid)
    kept = tmp_path / "kept" if is_named else home / "cache"

    answer = loaded(
        backend,
        f"ipfs://{cid}",
        **({"cache_dir": str(kept)} if is_named else {"model_caching": True}),
    )
    of_a_path = loaded(backend, str(folder), model_caching=True)

    assert answer["cid"] == str(cid)
    assert list((kept / str(cid)).glob("*.blob"))
    assert "nor is what was compiled of it kept" in of_a_path["message"]


def test_several_devices_are_one_string(backend: OpenVINOBackend, name: str) -> None:
    answer = loaded(backend, name, multi_device=True, device_priorities=["CPU"])
    found = configs.loading({"multi_device": True, "device_priorities": ["GPU.1", "CPU"]})
    auto = configs.loading({"device": "AUTO", "device_priorities": "GPU, CPU"})

    assert answer["device"] == "CPU"
    assert answer["execution_devices"] == ["CPU"]
    assert (found.device, auto.device) == ("MULTI:GPU.1,CPU", "AUTO:GPU,CPU")


def test_static_shapes_are_static(backend: OpenVINOBackend, name: str) -> None:
    shapes = {"input_ids": [2, 8], "attention_mask": [2, 8]}

    static = loaded(backend, name, input_shapes=shapes, dynamic_shapes=False)
    wrong = backend.run_inference(name, {"input_ids": IDS, "attention_mask": [1] * 4})
    dynamic = loaded(backend, name, input_shapes=shapes, precompile_shapes=False)

    assert static["inputs_info"] == shapes
    assert "the network wants [2,8]" in wrong["message"]
    assert dynamic["inputs_info"]["input_ids"] == [-1, -1]


@pytest.mark.parametrize(
    ("precision", "kinds"),
    [("FP32", {"f32"}), ("FP16", {"f16"}), ("INT8_WEIGHTS", {"i8", "u8"}), ("auto", {"f32"})],
)
def test_a_precision_is_what_the_weights_are(
    backend: OpenVINOBackend, name: str, precision: str, kinds: set[str]
) -> None:
    seen: list[ov.Model] = []
    from pipeline.runtime import opened

    asked = configs.loading({"precision": precision})
    found = opened.opened(name, asked)
    seen.append(found._prepare(found.located.held.model()))
    answer = loaded(backend, name, precision=precision)

    assert set(weights.sizes(seen[0])) <= kinds
    assert answer["precision"] == ("FP32" if precision == "auto" else precision)
    assert (answer["execution_precision"] == "f32") >= (precision == "FP32")


def test_int8_is_calibrated_or_is_an_error(backend: OpenVINOBackend, name: str) -> None:
    given = [{"input_ids": [IDS], "attention_mask": [[1] * 4]}] * 4

    without = backend.load_model(name, {"precision": "INT8"})
    having = backend.load_model(name, {"precision": "INT8", "calibration_data": given})

    assert without["status"] == "error"
    assert "calibration_data" in without["message"]
    assert "int8_weights" in without["message"]
    again = backend.load_model(name, {"precision": "INT8", "calibration_data": list(given)})
    assert having["status"] == "success", having
    assert having["precision"] == "INT8"
    assert again["already_loaded"]


def test_another_precision_of_the_same_name_is_loaded_anew(
    backend: OpenVINOBackend, name: str
) -> None:
    first, second = loaded(backend, name, precision="FP32"), loaded(backend, name, precision="FP16")

    assert (first["precision"], second["precision"]) == ("FP32", "FP16")
    assert "already_loaded" not in second


def test_memory_is_the_resident_set_of_the_process(backend: OpenVINOBackend, name: str) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    run = backend.run_inference(name, {"input_ids": IDS, "attention_mask": [1] * 4})
    held = np.ones(64 << 20, np.uint8)
    grown = resident_mb() - run["memory_usage_mb"]

    assert run["memory_usage_mb"] == pytest.approx(pages * 4096 / 1e6, rel=0.5)
    assert grown > held.nbytes / 1e6 * 0.5


def test_memory_is_told_of_a_forked_process_too() -> None:
    program = (
        "import os, time\nfrom pipeline.runtime.answers import resident_mb\n"
        "held = bytearray(200 << 20)\nprint(resident_mb() > 200, flush=True)\n"
        "if os.fork() == 0:\n    del held\n    print(resident_mb() < 200, flush=True)\n"
        "    os._exit(0)\nos.wait()"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)

    assert done.stdout.split() == ["True", "True"], done.stderr


def test_code_of_a_model_runs_only_if_that_is_asked_for() -> None:
    assert configs.loading({}).allow == ()
    assert configs.loading({"trust_remote_code": False}).allow == ()
    assert configs.loading({"trust_remote_code": True}).allow == ("remote_code",)


def test_the_detector_tells_what_is_there_and_nothing_else() -> None:
    detector = HardwareDetector(config_instance=object())

    there = detector.get_available_hardware()
    details = detector.detect_all()

    assert there["openvino"] is True
    assert there["cpu"] is True
    assert {name for name, found in there.items() if found} == set(details)
    assert details["openvino"]["version"] == ov.__version__
    names = [device["name"] for device in details["openvino"]["devices"]]
    assert names == ov.Core().available_devices
    assert detector.get_hardware_details("cuda") == {} or there["cuda"]
    assert detector.is_real_hardware("intel")
    assert not detector.is_real_hardware("qualcomm")
    assert detector.get_optimal_hardware("bert", "text", batch_size=8) == "openvino"
    for browser in detector.get_browser_details().values():
        assert Path(browser["path"]).exists()


# Profiles and models


def test_a_profile_is_the_same_after_a_round_trip() -> None:
    profile = HardwareProfile(
        "intel", "GPU.1", "4GB", "fp16", "performance", {"bits": 8}, {"fast": True}, {"a": 1},
        "firefox", {"b": 2}, preferred_hardware=["intel", "cpu"], device_map={"intel": "AUTO"},
        anything="else",
    )  # fmt: skip

    again = HardwareProfile.from_dict(json.loads(json.dumps(profile.to_dict())))

    assert again == profile
    assert (again.backend, again.hardware) == ("openvino", ["openvino", "cpu"])
    assert again.get_worker_compatible_config() == {
        "hardware_type": "openvino", "device_id": "GPU.1", "precision": "fp16",
        "memory_limit": "4GB", "browser": "firefox", "browser_options": {"b": 2},
        "optimization_level": "performance", "fast": True,
    }  # fmt: skip
    assert HardwareProfile().get_worker_compatible_config() == {
        "hardware_type": "openvino", "device_id": 0
    }  # fmt: skip


def test_a_model_goes_to_the_next_hardware_and_tells_why(name: str) -> None:
    if "GPU" in ov.Core().available_devices:
        pytest.skip("there is a GPU")
    profile = HardwareProfile(
        preferred_hardware=["qualcomm", "openvino", "cpu"], device_map={"openvino": "GPU"}
    )
    content = {"input_ids": IDS, "attention_mask": [1] * 4}

    model = ModelAccelerator(hardware_profile=profile).load(name, model_type="text")
    run = model.run(content)

    assert run["status"] == "success", run
    assert run["hardware"] == "cpu"
    assert run["framework"] == "openvino"  # the source of this one is nowhere
    assert "qualcomm: models run on ['cpu', 'openvino'] here" in run["fallback"][0]
    assert "openvino: device 'GPU' is not there" in run["fallback"][1]
    assert model.get_model_info()["execution_precision"] == "f32"


def test_a_model_is_switched_and_stays_where_it_is_if_that_fails(name: str) -> None:
    model = ModelAccelerator(worker=None, config={}).load_model(name, HardwareProfile("openvino"))
    content = {"input_ids": IDS, "attention_mask": [1] * 4}

    failed = model.switch_hardware("cuda")
    stayed = model(content)
    moved = model.switch_hardware({"backend": "openvino", "device_id": "AUTO"})
    run = model.run_inference(content)

    assert (failed["status"], stayed["hardware"]) == ("error", "openvino")
    assert (moved["device"], run["device"]) == ("AUTO", "AUTO")
    assert isinstance(model, ModelWrapper)


def test_an_accelerator_runs_one_and_many(name: str) -> None:
    accelerator = ModelAccelerator()
    content = {"input_ids": IDS, "attention_mask": [1] * 4}

    one = accelerator.accelerate(name, content, hardware_profile="openvino", task_type="text")
    many = accelerator.batch_accelerate(name, [content] * 3)
    none = accelerator.accelerate("/nowhere/at/all.xml", content)
    vectors = accelerator.get_embeddings(name, content)

    assert one["status"] == "success", one
    assert [run["status"] for run in many] == ["success"] * 3
    assert none["status"] == "error"
    assert "no vectors" in vectors["message"]
    beyond = accelerator.accelerate(name, content, HardwareProfile("openvino", device_id=99))
    assert "device_id 99: OpenVINO's devices are" in beyond["message"]
    assert accelerator.get_optimal_hardware(name) == "openvino"
    with pytest.raises(DeviceError, match="openvino: .*; cpu: "):
        accelerator.load("/nowhere/at/all.xml")


def test_models_are_loaded_once_by_name(name: str) -> None:
    manager = ModelManager()

    first, second = manager.load_model(name), manager.load_model(name)

    assert first is second is manager.get_model(name)
    assert manager.unload_model(name)["status"] == "success"
    assert manager.get_model(name) is None


# Scripts

FLAGS = {
    "ipfs_openvino_example.py": "--model --model-type --device --precision --benchmark "
    "--iterations --output-json",
    "test_openvino_backend.py": "--test-init --test-model --test-conversion --run-benchmarks "
    "--compare-cpu --run-all --model --device --iterations --output-dir --output-json",
}


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    return {
        script: subprocess.run(
            [sys.executable, str(ROOT / "examples" / script), "--help"],
            env={"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for script in FLAGS
    }


@pytest.mark.parametrize("script", FLAGS)
def test_a_script_has_the_flags_that_callers_give(helps: dict[str, str], script: str) -> None:
    found = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", helps[script], re.MULTILINE))

    assert found == {"--help", *FLAGS[script].split()}


def test_the_import_paths_hand_on_and_the_top_is_open_to_others() -> None:
    assert not (ROOT / "ipfs_accelerate_py" / "__init__.py").exists()
    for path in (ROOT / "ipfs_accelerate_py").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert import_module(module).__doc__
