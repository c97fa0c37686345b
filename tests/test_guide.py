"""The user's guide, word by word: every Python block and every shell line runs as written.

`bert-base-uncased` comes from a hub on loopback: the right architecture with random weights, small
here and of its real sizes in soak. tests/data/openvino_integration_guide.md is the guide's text.
"""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, TOKENIZER_FILES
from served import MODEL, Served, serve

GUIDE = ROOT / "tests" / "data" / "openvino_integration_guide.md"
GONE = "from openvino.runtime import Core"  # the one block that cannot run: the module is gone


def blocks(language: str) -> list[str]:
    """The guide's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def lines() -> list[str]:
    """The guide's shell lines, with examples/ in place of its paths."""
    each = (line for block in blocks("bash") for line in block.splitlines())
    commands = [line for line in each if line and not line.startswith("#")]
    return [re.sub(r"python (?:\S*/)?(\w+\.py)", r"python examples/\1", line) for line in commands]


def about(block: str) -> str:
    """The comment or the import that a block begins with."""
    return next(line for line in block.splitlines() if line)[:50]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Iterator[Served]:
    yield from serve(
        tmp_path_factory.mktemp("whole"), [tiny_bert / name for name in TOKENIZER_FILES]
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the file that a block converts."""
    import torch

    monkeypatch.chdir(tmp_path)
    layer = torch.nn.Linear(4, 4)
    torch.onnx.export(layer, (torch.zeros(1, 4),), "model.onnx", dynamo=False)
    return tmp_path


def run(block: str) -> tuple[dict[str, Any], str]:
    """What a block leaves in its names, and what it prints."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block, "guide", "exec"), names)  # noqa: S102 - the user's own text
    return names, printed.getvalue()


def check(names: dict[str, Any], printed: str) -> None:
    """What a block of the guide did, by what is left of it."""
    for name in ("result", "inference_result"):
        if name in names and isinstance(names[name], dict):
            assert names[name]["status"] == "success", names[name]
    if "inference_result" in names:
        figures = [float(figure) for figure in re.findall(r": (\d+\.\d\d) ", printed)]
        assert len(figures) == 3
        assert min(figures) > 0
        assert names["backend"].models == {}
    if "model" in names and "accelerator" in names:
        assert names["result"]["hardware"] == "openvino"
    if "Conversion result" in printed:
        assert Path("converted_model.xml").is_file()
    if "optimum_info" in names:
        for kind in ("Sequence Classification", "Causal LM", "Seq2Seq LM"):
            assert f"{kind}: True" in printed
    if "HETERO" in str(names["backend"].models if "backend" in names else ""):
        assert len(names["backend"].models) == 3


PYTHON = [block for block in blocks("python") if GONE not in block]


def test_the_guide_has_the_blocks_that_are_run() -> None:
    assert len(blocks("python")) == len(PYTHON) + 1
    assert len(PYTHON) == 6
    assert len(lines()) == 9


@pytest.mark.parametrize("block", PYTHON, ids=about)
def test_a_python_block_runs_as_written(
    block: str, bert: Served, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert.reach(monkeypatch)

    check(*run(block))


def test_a_device_that_is_not_there_is_told(
    bert: Served, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert.reach(monkeypatch)
    from ipfs_accelerate_py.hardware.backends.openvino_backend import OpenVINOBackend

    backend = OpenVINOBackend()
    if "GPU" in backend._available_devices:
        pytest.skip("there is a GPU")

    among = backend.load_model(MODEL, {"device": "HETERO:GPU,CPU", "model_type": "text"})
    alone = backend.load_model(MODEL, {"device": "GPU", "model_type": "text"})
    gone = backend.load_model(MODEL, {"device": "MYRIAD", "model_type": "text"})

    assert (among["status"], alone["status"], gone["status"]) == ("success", "error", "error")
    assert "it runs on HETERO:CPU: device 'GPU' is not there" in among["message"]
    assert "device 'GPU' is not there" in alone["message"]
    assert "NPU is its successor" in gone["message"]


def test_the_cpu_backend_runs_the_original_and_both_agree(
    bert: Served, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert.reach(monkeypatch)
    from ipfs_accelerate_py.hardware.backends import get_backend

    config = {"model_type": "text", "precision": "FP32"}
    tokens = {"input_ids": [101, 2054, 2154, 2003, 102], "attention_mask": [1] * 5}
    ran = {}
    for name in ("cpu", "openvino"):
        backend = get_backend(name)
        loaded = backend.load_model(MODEL, config)
        assert loaded["status"] == "success", loaded
        masked = backend.run_inference(MODEL, "The capital of France is [MASK].")
        ran[loaded["framework"]] = [backend.run_inference(MODEL, tokens), masked]

    (one, best), (two, other) = ran["pytorch eager fp32"], ran["openvino"]
    assert one["framework"] == "pytorch eager fp32"
    np.testing.assert_allclose(one["results"]["logits"], two["results"]["logits"], atol=1e-5)
    assert best["results"][0][0][0]["text"] == other["results"][0][0][0]["text"]


def test_a_text_without_a_mask_gets_the_networks_outputs(
    bert: Served, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert.reach(monkeypatch)
    from ipfs_accelerate_py.hardware.backends.openvino_backend import OpenVINOBackend

    backend, config = OpenVINOBackend(), {"precision": "FP32"}
    texts = ["a text", "and another one that is longer"]
    backend.load_model(MODEL, config)

    run = backend.run_inference(MODEL, {"input_text": texts})
    cut = backend.run_inference(MODEL, texts, {"sequence_length": 5})
    long = backend.run_inference(MODEL, texts, {"sequence_length": 4096})

    assert run["message"] == "there is no mask in the text: these are the network's outputs"
    assert run["results"]["logits"].shape == (2, 8, 30522)
    assert cut["results"]["logits"].shape == (2, 5, 30522)
    assert run["batch_size"] == 2
    assert "takes 2 to 512 tokens" in long["message"]


def shell(line: str, served: Served, folder: Path) -> subprocess.CompletedProcess[str]:
    program, script, *arguments = shlex.split(line)
    assert program == "python"
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=folder,
        env=environment | served.environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


# What a caller reads of `--output-json`.
FIGURES = {
    "model", "model_type", "device", "precision", "iterations", "avg_latency_ms", "min_latency_ms",
    "max_latency_ms", "avg_throughput_items_per_sec", "min_throughput_items_per_sec",
    "max_throughput_items_per_sec", "avg_memory_usage_mb",
}  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("line", lines())
def test_a_shell_line_runs_as_it_stands(line: str, bert: Served, tmp_path: Path) -> None:
    done = shell(line, bert, tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr
    if "--output-json" in line:
        told = json.loads((tmp_path / "results.json").read_text())
        assert told.keys() == FIGURES
        assert (told["model"], told["device"], told["iterations"]) == (MODEL, "CPU", 10)
        assert 0 < told["min_latency_ms"] <= told["avg_latency_ms"] <= told["max_latency_ms"]
        assert told["avg_memory_usage_mb"] > 0


@pytest.mark.soak
def test_the_guide_runs_with_a_bert_of_its_real_sizes(
    whole: Served, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.reach(monkeypatch)

    for block in PYTHON:
        names, printed = run(block)
        check(names, printed)
        if "inference_result" in names:
            assert names["inference_result"]["results"]["logits"].shape == (1, 10, 30522)
            assert np.isfinite(names["inference_result"]["results"]["logits"]).all()
