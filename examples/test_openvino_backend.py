"""Try the OpenVINO backend on this machine.

python examples/test_openvino_backend.py --test-model --model bert-base-uncased --device CPU
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipfs_accelerate_py.hardware.backends import get_backend
from ipfs_accelerate_py.hardware.backends.openvino_backend import OpenVINOBackend

TEXT = {"input_text": "The quick brown fox jumps over the lazy dog."}
Answer = dict[str, Any]


def main() -> int:
    """Run the tests that were asked for; 0 if none failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tests: dict[str, Callable[[argparse.Namespace], Answer]] = {
        "test_init": initialized,
        "test_model": ran,
        "test_conversion": converted,
        "run_benchmarks": benchmarked,
        "compare_cpu": compared,
    }
    for name, test in tests.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=test.__doc__)
    parser.add_argument("--run-all", action="store_true", help="all of them")
    parser.add_argument("--model", default="bert-base-uncased", help="name, path, CID or HF id")
    parser.add_argument("--device", default="CPU")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--output-dir", type=Path, default=Path("./openvino_models"))
    parser.add_argument("--output-json", type=Path, help="where the answers are written")
    asked = parser.parse_args()

    chosen = [name for name in tests if asked.run_all or getattr(asked, name)] or ["test_init"]
    answers = {}
    for name in chosen:
        answers[name] = answer = tests[name](asked)
        print(f"{name}: {answer['status']}")
        for key, value in answer.items():
            if key != "status":
                print(f"  {key}: {value}")
    if asked.output_json:
        text = json.dumps(answers, indent=2, default=str)
        asked.output_json.write_text(text + "\n", encoding="utf-8")
    return int(any(answer["status"] != "success" for answer in answers.values()))


def initialized(asked: argparse.Namespace) -> Answer:
    """Find OpenVINO and its devices."""
    backend = OpenVINOBackend()
    if not backend.is_available():
        return {"status": "error", "message": "OpenVINO is not available"}
    return {
        "status": "success",
        "version": backend._version,
        "devices": backend.get_all_devices(),
        "optimum": backend.get_optimum_integration()["version"],
    }


def ran(asked: argparse.Namespace) -> Answer:
    """Load a model, run it and unload it."""
    return figures(OpenVINOBackend(), asked, 1)


def converted(asked: argparse.Namespace) -> Answer:
    """Convert a small PyTorch model, and the ONNX file of it."""
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.ReLU(), torch.nn.Linear(10, 1))
    backend, folder = OpenVINOBackend(), asked.output_dir
    one = backend.convert_from_pytorch(
        model, torch.zeros(1, 10), str(folder / "pytorch_model.xml"), {"keep_onnx": True}
    )
    if one["status"] != "success":
        return one
    two = backend.convert_from_onnx(
        one["onnx_path"], str(folder / "onnx_model.xml"), {"precision": "FP16"}
    )
    return {"status": two["status"], "from_pytorch": one, "from_onnx": two}


def benchmarked(asked: argparse.Namespace) -> Answer:
    """Run a model several times."""
    return figures(OpenVINOBackend(), asked, asked.iterations)


def compared(asked: argparse.Namespace) -> Answer:
    """Run a model by OpenVINO and by the CPU backend."""
    ours = figures(OpenVINOBackend(), asked, asked.iterations)
    theirs = figures(get_backend("cpu"), asked, asked.iterations, device="CPU")
    if failed := [answer for answer in (ours, theirs) if answer["status"] != "success"]:
        return failed[0]
    speedup = theirs["avg_latency_ms"] / ours["avg_latency_ms"]
    return {"status": "success", "openvino": ours, "cpu": theirs, "speedup": speedup}


def figures(backend: Any, asked: argparse.Namespace, count: int, device: str = "") -> Answer:
    """What some runs of a model took."""
    config = {"device": device or asked.device, "model_type": "text"}
    loaded = backend.load_model(asked.model, config)
    if loaded["status"] != "success":
        return loaded
    runs = [backend.run_inference(asked.model, TEXT, config) for _ in range(count + 1)]
    backend.unload_model(asked.model, config["device"])
    if failed := [run for run in runs if run["status"] != "success"]:
        return failed[0]
    runs = runs[1:]  # the first warms up
    latencies = [run["latency_ms"] for run in runs]
    return {
        "status": "success",
        "model": asked.model,
        "device": config["device"],
        "framework": loaded["framework"],
        "precision": loaded["precision"],
        "iterations": count,
        "avg_latency_ms": statistics.fmean(latencies),
        "min_latency_ms": min(latencies),
        "max_latency_ms": max(latencies),
        "avg_throughput_items_per_sec": statistics.fmean(
            run["throughput_items_per_sec"] for run in runs
        ),
        "avg_memory_usage_mb": statistics.fmean(run["memory_usage_mb"] for run in runs),
    }


if __name__ == "__main__":
    sys.exit(main())
