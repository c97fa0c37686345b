"""Text ranking: a query and a document in, one logit out: the larger, the more relevant.

Data with labels is a table with the columns score, query, document; a document is relevant
whose score is above 0. Without labels the header is query, document. openvino.genai's
TextRerankPipeline gives the sigmoid of the logit, which has the same order.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Array, Vector
from pipeline.record import read_json
from pipeline.spec import Model
from pipeline.tasks import (
    Item,
    Outcome,
    Trial,
    _classes,
    _embeddings,
    _pairs,
    _tables,
    _texts,
    _transformer,
)
from pipeline.tasks._classes import run as run
from pipeline.tasks._pairs import TEXTS as TEXTS
from pipeline.tasks._pairs import encode as encode
from pipeline.tasks._pairs import invent as invent
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import Sizes as Sizes
from pipeline.tasks._texts import sized as sized
from pipeline.tasks._transformer import Resolved as Resolved
from pipeline.tasks._transformer import longest as longest

EXPORTED_AS = "text-classification"
FED_TOKENS = True
RUNS_WITH = ()
METRICS = {
    "order_agreement": Metric("higher", gate={32: 0.98, 16: 0.98, 8: 0.9, 4: 0.8}),
    "max_abs_error": metrics.MAX_ABS_ERROR,
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
    "spearman": _embeddings.METRICS["spearman"],
    "recall_at_3": Metric("higher", labelled=True),
}
_FIRST = 3  # documents that a user looks at
_COLUMNS: Mapping[str, _tables.Kinds] = {"query": str, "document": str}


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: it has more outputs than one, or takes fewer tokens.
    """
    labels = _classes.named(read_json(source / "config.json", dict, ExportError))
    if len(labels) != 1:
        raise ExportError(
            f"models.{model.name}.task: 'text-ranking': config.json has {len(labels)} labels: "
            "want one, whose logit is the score"
        )
    return _transformer.resolve(model, source)


def items(path: Path) -> list[Item]:
    """Pairs of query and document with their score, or without.

    Raises:
        DataError: naming the first row that is none; or no query has several documents.
    """
    found = [
        Item((row["query"], row["document"]), row.get("score"))
        for row in _tables.rows(path, _COLUMNS, {"score": float})
    ]
    if not _by_query(found):
        raise DataError(f"{path}: no query has several documents: want some to order")
    return found


def answer(outcome: Outcome) -> float:
    """How relevant the document is, from 0 to 1: the sigmoid of its logit."""
    return float(1 / (1 + np.exp(-outcome.outputs["logits"][0, 0].astype(np.float64))))


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of scores, orders and tokenizer."""
    expected, measured = _classes.rows(trial.expected)[:, 0], _classes.rows(trial.measured)[:, 0]
    queries = _by_query(trial.items)
    yield metrics.max_abs_error(trial.expected, trial.measured)
    same = [_same_order(expected[places], measured[places]) for places in queries]
    yield Figure(metric="order_agreement", value=float(np.mean(same)), samples=len(same))
    yield _pairs.tokenizer_agreement(trial)
    labels = _embeddings.scores(trial)
    if labels.size:
        yield metrics.scored("spearman", _embeddings.spearman, expected, measured, labels)
        known = [places for places in queries if (labels[places] > 0).any()]
        if len(known) > 1:
            reference, variant = (
                np.array([_recall(scores[places], labels[places]) for places in known])
                for scores in (expected, measured)
            )
            yield metrics.averaged("recall_at_3", reference, variant)


def _by_query(items: Sequence[Item]) -> list[Array]:
    """The places of the documents of each query that has several."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(item.input[0], []).append(place)
    return [np.array(several) for several in places.values() if len(several) > 1]


def _same_order(expected: Vector, measured: Vector) -> float:
    """The share of pairs of documents that both put in the same order."""
    one, other = np.triu_indices(len(expected), 1)
    orders = [np.sign(scores[one] - scores[other]) for scores in (expected, measured)]
    return float(np.mean(orders[0] == orders[1]))


def _recall(scores: Vector, labels: Vector) -> float:
    """The share of relevant documents that are among the first ones; of many, as fit there."""
    first = np.argsort(-scores, kind="stable")[:_FIRST]
    relevant = labels > 0
    return float(relevant[first].sum() / min(_FIRST, relevant.sum()))
