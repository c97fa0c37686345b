"""Sentence embeddings: texts in, one vector each, judged by graded similarity of sentence pairs.

Calibration: one text a line. Validation: a TSV with the header score, sentence1, sentence2. The
metric is Spearman's rank correlation between the cosine of a pair's vectors and its label (Cer et
al. 2017, SemEval-2017 task 1).
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import EvidenceError
from pipeline.networks.tensors import Run, Tensors, Vector
from pipeline.record import Record
from pipeline.spec import Model

FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
TOOLCHAIN = ("numpy", "tokenizers", "torch", "transformers")
METRIC = "spearman"
COLUMNS = ("score", "sentence1", "sentence2")


class Options(Record):
    """`options:` of a model.

    Args:
        max_length: tokens after which a text is cut.
        pooling: how token vectors become one: `mean` over real tokens, or the first (`cls`).
    """

    max_length: int = Field(default=128, ge=2, le=100_000)
    pooling: Literal["mean", "cls"] = "mean"


def calibration(model: Model, source: Path) -> list[Tensors]:
    """Each line of the calibration file, as tokens of shape (1, tokens)."""
    return _tokenize(read_texts(Path(model.calibration)), model, source)


def validation(model: Model, source: Path) -> list[Tensors]:
    """Both sentences of every pair in turn, as tokens of shape (1, tokens)."""
    return _tokenize(_sentences(model), model, source)


def sized(model: Model, source: Path, length: int) -> Tensors:
    """The validation texts run together and cut to exactly `length` tokens, shape (1, length).

    Raises:
        EvidenceError: the validation texts are shorter than that.
    """
    tokens = _tokenizer(model, source)(
        " ".join(_sentences(model)), truncation=True, max_length=length, return_tensors="np"
    )
    if tokens["input_ids"].shape[1] != length:
        raise EvidenceError(
            f"benchmark.length: {length}: the validation texts of {model.name!r} hold only "
            f"{tokens['input_ids'].shape[1]} tokens"
        )
    return dict(tokens)


def original(model: Model, source: Path) -> Run:
    """The source's PyTorch model in eager mode at fp32.

    Output: last_hidden_state of shape (1, tokens, hidden size).
    """
    import torch
    from transformers import AutoModel

    network = AutoModel.from_pretrained(
        source,
        dtype=torch.float32,
        trust_remote_code="remote_code" in model.allow,
        use_safetensors="pickle" not in model.allow,
        local_files_only=True,
    ).eval()

    def run(inputs: Tensors) -> Tensors:
        with torch.inference_mode():
            outputs = network(**{name: torch.from_numpy(a) for name, a in inputs.items()})
        return {"last_hidden_state": outputs.last_hidden_state.numpy()}

    return run


def embed(options: Options, inputs: Tensors, outputs: Tensors) -> Vector:
    """The sample's vector, shape (hidden size,)."""
    tokens: Vector = outputs["last_hidden_state"][0].astype(np.float64)
    kept = tokens[:1] if options.pooling == "cls" else tokens[inputs["attention_mask"][0] == 1]
    mean: Vector = kept.mean(axis=0)
    return mean


def labels(model: Model) -> Vector:
    """The score of every pair."""
    return np.array([float(row["score"]) for row in read_pairs(Path(model.validation))])


def predictions(vectors: Sequence[Vector]) -> Vector:
    """The cosine of each pair of vectors: first with second, third with fourth."""
    unit = np.stack([vector / np.linalg.norm(vector) for vector in vectors])
    cosines: Vector = np.einsum("ij,ij->i", unit[0::2], unit[1::2])
    return cosines


def score(predicted: Vector, truth: Vector) -> float:
    """Spearman's rank correlation of pair similarities with their labels, in [-1, 1]."""
    from scipy.stats import spearmanr

    return float(spearmanr(predicted, truth).statistic)


def read_texts(path: Path) -> list[str]:
    """The lines of a UTF-8 file.

    Raises:
        EvidenceError: it is not there, is empty or holds an empty line.
    """
    texts = _read(path).splitlines()
    if not texts or not all(text.strip() for text in texts):
        raise EvidenceError(f"{path}: want one text a line and no empty line")
    return texts


def read_pairs(path: Path) -> list[dict[str, str]]:
    """The rows of a TSV of sentence pairs.

    Raises:
        EvidenceError: naming the first line that is none.
    """
    lines = _read(path).splitlines()
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise EvidenceError(f"{path}:1: header {reader.fieldnames}: want {list(COLUMNS)}")
    rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if set(row) != set(COLUMNS) or not all(row.values()) or not _is_number(row["score"]):
            raise EvidenceError(f"{path}:{number}: want a number and two sentences, tab-separated")
    if len(rows) < 2:
        raise EvidenceError(f"{path}: want at least 2 pairs")
    return rows


def _sentences(model: Model) -> list[str]:
    rows = read_pairs(Path(model.validation))
    return [row[column] for row in rows for column in COLUMNS[1:]]


def _tokenize(texts: Sequence[str], model: Model, source: Path) -> list[Tensors]:
    options = Options.from_dict(model.options)
    tokenizer = _tokenizer(model, source)
    cut = {"truncation": True, "max_length": options.max_length, "return_tensors": "np"}
    return [dict(tokenizer(text, **cut)) for text in texts]


def _tokenizer(model: Model, source: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        source, trust_remote_code="remote_code" in model.allow, local_files_only=True
    )


def tokenizer_agreement(folder: Path, model: Model, inputs: Sequence[Tensors]) -> float:
    """The share of validation texts that the folder's own tokenizer IR cuts as the original does.

    Texts that were cut at max_length are left out: the tokenizer IR cuts nothing, its user does.
    """
    import openvino as ov

    from pipeline.networks import ir

    tokenizer = ov.Core().compile_model(ir.read(folder, ir.TOKENIZER), "CPU")
    limit = Options.from_dict(model.options).max_length
    agreed = [
        np.array_equal(tokenizer([text])["input_ids"], sample["input_ids"])
        for text, sample in zip(_sentences(model), inputs, strict=True)
        if sample["input_ids"].shape[1] < limit
    ]
    return float(np.mean(agreed))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise EvidenceError(f"{path}: cannot be read as UTF-8 text: {e}") from e


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
