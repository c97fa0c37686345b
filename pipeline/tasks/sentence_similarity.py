"""Sentence vectors: texts in, `sentence_embedding` out, all modules of the repository baked in.

Judged on graded similarity of sentence pairs.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.figure import Figure
from pipeline.networks import ir
from pipeline.networks.inputs import mask
from pipeline.networks.tensors import Array, Network, Networks, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import Outcome, Trial, _embeddings, _pooling, _repository
from pipeline.tasks._embeddings import METRICS as METRICS
from pipeline.tasks._embeddings import items as items
from pipeline.tasks._repository import Options as Options
from pipeline.tasks._repository import Resolved as Resolved
from pipeline.tasks._repository import resolve as resolve
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import encode as encode
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import longest as longest

if TYPE_CHECKING:
    import openvino as ov

FED_TOKENS = True
RUNS_WITH = ("safetensors", "scipy", "torch")  # a Dense module


def finish(network: "ov.Model", model: Model, source: Path) -> "ov.Model":
    """The exported network with pooling, Dense modules and normalization behind it.

    Output: sentence_embedding of shape (batch, size).

    Raises:
        ExportError: a module is of a kind that is not supported.
    """
    return _pooling.bake(network, resolve(model, source)[0], _layers(model, source))


def complete(network: Network, model: Model, source: Path) -> Network:
    """The original with the modules behind it; output as of the baked network."""
    return _Complete(network, resolve(model, source)[0], _layers(model, source))


class _Complete:
    def __init__(
        self, network: Network, options: Resolved, layers: Sequence[_pooling.Layer]
    ) -> None:
        self._network, self._options, self._layers = network, options, layers
        self.reset = network.reset

    def __call__(self, inputs: Tensors) -> Tensors:
        batch = self._network(inputs)["last_hidden_state"].astype(np.float64)
        vectors = [
            _pooling.head(
                _pooling.pool(tokens, real, self._options.pooling), self._options, self._layers
            )
            for tokens, real in zip(batch, mask(inputs), strict=True)
        ]
        return {"sentence_embedding": np.stack(vectors).astype(np.float32)}


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """sentence_embedding, of shape (1, size)."""
    return {"sentence_embedding": networks[ir.MODEL](inputs)["sentence_embedding"]}


def judge(trial: Trial) -> Iterable[Figure]:
    """The figures of the vectors."""
    return _embeddings.judge(trial, *vectors(trial))


def answer(outcome: Outcome) -> Array:
    """The vector of a text, of shape (size,)."""
    vector: Array = outcome.outputs["sentence_embedding"][0]
    return vector


def vectors(trial: Trial) -> tuple[list[Vector], list[Vector]]:
    """The vectors of the original and of the artifact, each of shape (size,)."""
    of = [
        [output["sentence_embedding"][0].astype(np.float64) for output in outputs]
        for outputs in (trial.expected, trial.measured)
    ]
    return of[0], of[1]


def _layers(model: Model, source: Path) -> list[_pooling.Layer]:
    return [_pooling.Layer(dense, model.allow) for dense in _repository.read(source).dense]
