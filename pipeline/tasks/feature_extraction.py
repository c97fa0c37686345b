"""Token vectors: texts in, `last_hidden_state` out, which the consumer pools itself.

OpenVINO Model Server, openvino.genai and optimum-intel do so. Judged by the pooled vectors, on
graded similarity of sentence pairs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ExportError
from pipeline.figure import Figure
from pipeline.networks import ir
from pipeline.networks.inputs import mask
from pipeline.networks.tensors import Array, Networks, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import Outcome, Trial, _embeddings, _pooling, _repository, _texts
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
RUNS_WITH = ("safetensors", "torch")  # a Dense module, in what it shares


def finish(network: "ov.Model", model: Model, source: Path) -> "ov.Model":
    """The exported network as it is: last_hidden_state, of shape (batch, tokens, size), first.

    Raises:
        ExportError: the repository has Dense modules, which token vectors would leave out.
    """
    if dense := _repository.read(source).dense:
        raise ExportError(
            f"models.{model.name}.task: 'feature-extraction': modules.json lists "
            f"{[layer.folder.name for layer in dense]}, which it would leave out: "
            "want sentence-similarity"
        )
    return network


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """last_hidden_state, of shape (1, tokens, hidden size)."""
    outputs = networks[ir.MODEL](inputs)
    return {"last_hidden_state": outputs["last_hidden_state"]}


def judge(trial: Trial) -> Iterable[Figure]:
    """The figures of the vectors that pooling makes."""
    return _embeddings.judge(_texts.whole(trial), *vectors(trial))


def answer(outcome: Outcome) -> Array:
    """The vector of a text, of shape (hidden size,)."""
    return _vector(outcome.inputs, outcome.outputs, outcome.options).astype(np.float32)


def vectors(trial: Trial) -> tuple[list[Vector], list[Vector]]:
    """The vectors of the original and of the artifact, each of shape (hidden size,)."""
    of = [
        [_vector(i, o, trial.options) for i, o in zip(trial.inputs, outputs, strict=True)]
        for outputs in (trial.expected, trial.measured)
    ]
    return of[0], of[1]


def _vector(inputs: Tensors, outputs: Tensors, options: Resolved) -> Vector:
    tokens: Vector = outputs["last_hidden_state"][0].astype(np.float64)
    pooled = _pooling.pool(tokens, mask(inputs)[0], options.pooling)
    return _pooling.head(pooled, options, ())
