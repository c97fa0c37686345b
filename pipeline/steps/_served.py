"""What is served: an artifact in openvino.genai, where that is installed.

The same number of tokens on the same device as the benchmark's other contenders, greedily and over
an end. Of Whisper any sound will do: it hears 30 seconds of whatever it is given.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import kinds
from pipeline.networks import description, samples
from pipeline.networks.inputs import MOST, TOKENS, mask
from pipeline.networks.tensors import Tensors

_RATE = 16_000  # samples per second, as Whisper hears


def pipeline(folder: Path) -> str | None:
    """Which pipeline of openvino.genai an artifact's task names; None if it names none."""
    task = kinds.load("task", description.read(folder).task)
    named: str | None = getattr(task, "SERVED_BY", None)
    return named


class Served:
    """A pipeline of openvino.genai over an artifact.

    Args:
        name: its class.
        folder: the artifact.
        device: an OpenVINO device name.
    """

    def __init__(self, name: str, folder: Path, device: str) -> None:
        import openvino_genai

        self._pipeline = getattr(openvino_genai, name)(folder, device)
        self._given = {"LLMPipeline": _tokens, "WhisperPipeline": _sound}[name]

    def generations(self, path: Path, seconds: float) -> list[dict[str, Any]]:
        """Each request's figures, as of `evidence.Generation`; the first warms up."""
        (inputs,) = samples.load(path)
        self._generation(inputs)
        made: list[dict[str, Any]] = []
        end = time.perf_counter() + seconds
        while not made or time.perf_counter() < end:
            made.append(self._generation(inputs))
        return made

    def _generation(self, inputs: Tensors) -> dict[str, Any]:
        given, most = self._given(inputs), int(inputs[MOST][0])
        started = time.perf_counter()
        told = self._pipeline.generate(
            given, max_new_tokens=most, ignore_eos=True, do_sample=False
        ).perf_metrics
        seconds = time.perf_counter() - started
        return {
            "first_token_ms": told.get_ttft().mean,
            "next_token_ms": told.get_tpot().mean if most > 1 else None,
            "tokens_per_s": told.get_num_generated_tokens() / seconds,
        }


def _tokens(inputs: Tensors) -> Any:
    import openvino as ov
    import openvino_genai

    ids, real = (array.astype(np.int64) for array in (inputs[TOKENS], mask(inputs)))
    return openvino_genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(real))


def _sound(_: Tensors) -> list[float]:
    return [0.0] * _RATE
