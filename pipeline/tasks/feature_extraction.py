"""Token vectors: texts in, `last_hidden_state` out, which the consumer pools itself.

OpenVINO Model Server, openvino.genai and optimum-intel do so. Judged by the pooled vectors, on
graded similarity of sentence pairs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ExportError
from pipeline.networks.tensors import Run, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import _pooling, _repository, _texts
from pipeline.tasks._repository import Options as Options
from pipeline.tasks._repository import Resolved as Resolved
from pipeline.tasks._repository import resolve as resolve
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import METRIC as METRIC
from pipeline.tasks._texts import RUNS_WITH as RUNS_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import calibration as calibration
from pipeline.tasks._texts import labels as labels
from pipeline.tasks._texts import predictions as predictions
from pipeline.tasks._texts import score as score
from pipeline.tasks._texts import size as size
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._texts import tokenizer_agreement as tokenizer_agreement
from pipeline.tasks._texts import validation as validation

if TYPE_CHECKING:
    import openvino as ov


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


def original(model: Model, source: Path) -> Run:
    """The source's PyTorch model; output: last_hidden_state of shape (1, tokens, hidden size)."""
    return _texts.encoder(model, source)


def embed(options: Resolved, inputs: Tensors, outputs: Tensors) -> Vector:
    """The sample's vector, shape (hidden size,)."""
    tokens: Vector = outputs["last_hidden_state"][0].astype(np.float64)
    pooled = _pooling.pool(tokens, inputs["attention_mask"][0], options.pooling)
    return _pooling.head(pooled, options, ())
