"""Sentence vectors: texts in, `sentence_embedding` out, all modules of the repository baked in.

Judged on graded similarity of sentence pairs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.networks.tensors import Run, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks import _pooling, _repository, _texts
from pipeline.tasks._repository import Options as Options
from pipeline.tasks._repository import Resolved as Resolved
from pipeline.tasks._repository import resolve as resolve
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import METRIC as METRIC
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

RUNS_WITH = (*_texts.RUNS_WITH, "scipy")  # GELU of a Dense module


def finish(network: "ov.Model", model: Model, source: Path) -> "ov.Model":
    """The exported network with pooling, Dense modules and normalization behind it.

    Output: sentence_embedding of shape (batch, size).

    Raises:
        ExportError: a module is of a kind that is not supported.
    """
    return _pooling.bake(network, resolve(model, source)[0], _layers(model, source))


def original(model: Model, source: Path) -> Run:
    """The source's PyTorch model and the modules behind it; output as of the baked network."""
    encode, layers = _texts.encoder(model, source), _layers(model, source)
    options, _ = resolve(model, source)

    def run(inputs: Tensors) -> Tensors:
        tokens: Vector = encode(inputs)["last_hidden_state"][0].astype(np.float64)
        pooled = _pooling.pool(tokens, inputs["attention_mask"][0], options.pooling)
        vector = _pooling.head(pooled, options, layers)
        return {"sentence_embedding": vector[None].astype(np.float32)}

    return run


def embed(options: Resolved, inputs: Tensors, outputs: Tensors) -> Vector:
    """The sample's vector, shape (size,)."""
    vector: Vector = outputs["sentence_embedding"][0].astype(np.float64)
    return vector


def _layers(model: Model, source: Path) -> list[_pooling.Layer]:
    return [_pooling.Layer(dense, model.allow) for dense in _repository.read(source).dense]
