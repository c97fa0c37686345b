"""Run a model on an OpenVINO device, once or as a benchmark.

python examples/ipfs_openvino_example.py --model bert-base-uncased --model-type text
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ipfs_accelerate_py.hardware.backends.openvino_backend import OpenVINOBackend

SAMPLE_RATE = 16_000


def main() -> int:
    """Load, run and tell; 0 if all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bert-base-uncased", help="name, path, CID or HF id")
    parser.add_argument(
        "--model-type", default="text", choices=["text", "vision", "audio", "multimodal"]
    )
    parser.add_argument("--device", default="CPU", help="CPU, GPU, AUTO, HETERO:GPU,CPU ...")
    parser.add_argument("--precision", default="FP32", choices=["FP32", "FP16", "INT8"])
    parser.add_argument("--benchmark", action="store_true", help="run it several times")
    parser.add_argument("--iterations", type=int, default=5, help="of the benchmark")
    parser.add_argument("--output-json", type=Path, help="where figures are written")
    asked = parser.parse_args()

    backend = OpenVINOBackend()
    config = {
        "device": asked.device,
        "model_type": asked.model_type,
        "precision": asked.precision,
    }
    loaded = backend.load_model(asked.model, config)
    if loaded["status"] != "success":
        return fail(loaded)
    print(f"Loaded {asked.model} on {asked.device}: {loaded['message']}")

    content = example_of(asked.model_type)
    first = backend.run_inference(asked.model, content, config)  # warms up
    if first["status"] != "success":
        return fail(first)
    runs = [
        backend.run_inference(asked.model, content, config)
        for _ in range(asked.iterations if asked.benchmark else 1)
    ]
    figures = {
        "model": asked.model,
        "model_type": asked.model_type,
        "device": asked.device,
        "precision": asked.precision,
        "iterations": len(runs),
        **summary(runs, "latency_ms"),
        **summary(runs, "throughput_items_per_sec"),
        "avg_memory_usage_mb": statistics.fmean(run["memory_usage_mb"] for run in runs),
    }
    print(f"Latency: {figures['avg_latency_ms']:.2f} ms")
    print(f"Throughput: {figures['avg_throughput_items_per_sec']:.2f} items/s")
    print(f"Memory: {figures['avg_memory_usage_mb']:.0f} MB")
    if asked.output_json:
        asked.output_json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    backend.unload_model(asked.model, asked.device)
    return 0


def example_of(model_type: str) -> Any:
    """Something to run a model on: a sentence, a picture, a second of a tone, or two of these."""
    ramp = np.linspace(0, 255, 224, dtype=np.uint8)
    picture = np.stack([np.tile(ramp, (224, 1)), np.tile(ramp[:, None], (1, 224))] * 2, -1)[..., :3]
    if model_type == "vision":
        return {"image": picture}
    if model_type == "audio":
        seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        tone = np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
        return {"audio": tone, "sampling_rate": SAMPLE_RATE}
    if model_type == "multimodal":
        return {"image": picture, "text": "a gradient of two colours"}
    return {"input_text": "The quick brown fox jumps over the lazy dog."}


def summary(runs: list[dict[str, Any]], key: str) -> dict[str, float]:
    """The mean, least and most of a figure."""
    values = [run[key] for run in runs]
    return {
        f"avg_{key}": statistics.fmean(values),
        f"min_{key}": min(values),
        f"max_{key}": max(values),
    }


def fail(answer: dict[str, Any]) -> int:
    """Say why, on stderr."""
    print(f"error: {answer['message']}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
