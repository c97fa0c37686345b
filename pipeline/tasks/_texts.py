"""Texts for embedding models: data sets, tokens, and what a pair of vectors is worth.

Calibration: one text a line, an empty line being the empty text. Validation: a TSV with the header
score, sentence1, sentence2. The metric is Spearman's rank correlation between the cosine of a
pair's vectors and its label (Cer et al. 2017, SemEval-2017 task 1).
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.networks import ir
from pipeline.networks.tensors import Run, Tensors, Vector
from pipeline.spec import Model
from pipeline.tasks._repository import Resolved, resolve

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "unigram.json",
    "*.model",
    "*.spm",
)
TOOLCHAIN = ("numpy", "tokenizers", "transformers")
RUNS_WITH = ("safetensors", "torch")
JUDGED_WITH = ("numpy", "openvino", "scipy")
METRIC = "spearman"
COLUMNS = ("score", "sentence1", "sentence2")


def calibration(model: Model, source: Path) -> list[Tensors]:
    """Each line of the calibration file, as tokens of shape (1, tokens)."""
    return _tokenize(read_texts(Path(model.calibration)), model, source)


def validation(model: Model, source: Path) -> list[Tensors]:
    """Both sentences of every pair in turn, as tokens of shape (1, tokens)."""
    return _tokenize(_sentences(model), model, source)


def sized(model: Model, source: Path, length: int) -> Tensors:
    """The validation texts run together and cut to exactly `length` tokens, shape (1, length).

    Raises:
        DataError: the validation texts are shorter than that.
    """
    tokens = _tokenizer(model, source)(
        " ".join(_sentences(model)), truncation=True, max_length=length, return_tensors="np"
    )
    if tokens["input_ids"].shape[1] != length:
        raise DataError(
            f"benchmark.length: {length}: the validation texts of {model.name!r} hold only "
            f"{tokens['input_ids'].shape[1]} tokens"
        )
    return dict(tokens)


def size(inputs: Tensors) -> int:
    """How long an input is, in tokens."""
    return int(inputs["input_ids"].shape[1])


def encoder(model: Model, source: Path) -> Run:
    """The source's PyTorch model in eager mode at fp32.

    Output: last_hidden_state of shape (1, tokens, hidden size).
    """
    import torch
    from transformers import AutoModel

    network = AutoModel.from_pretrained(
        source,
        dtype=torch.float32,
        trust_remote_code="remote_code" in model.allow,
        use_safetensors=None if "pickle" in model.allow else True,  # None: where there are any
        local_files_only=True,
    ).eval()

    def run(inputs: Tensors) -> Tensors:
        with torch.inference_mode():
            outputs = network(**{name: torch.from_numpy(a) for name, a in inputs.items()})
        return {"last_hidden_state": outputs.last_hidden_state.numpy()}

    return run


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
        DataError: it is not there, or is empty.
    """
    texts = _lines(path)
    if not texts:
        raise DataError(f"{path}: want one text a line")
    return texts


def read_pairs(path: Path) -> list[dict[str, str]]:
    """The rows of a TSV of sentence pairs.

    Raises:
        DataError: naming the first line that is none.
    """
    lines = _lines(path)
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DataError(f"{path}:1: header {reader.fieldnames}: want {list(COLUMNS)}")
    rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if set(row) != set(COLUMNS) or None in row.values() or not _is_number(row["score"]):
            raise DataError(f"{path}:{number}: want a number and two sentences, tab-separated")
    if len(rows) < 2:
        raise DataError(f"{path}: want at least 2 pairs")
    return rows


def _sentences(model: Model) -> list[str]:
    rows = read_pairs(Path(model.validation))
    return [row[column] for row in rows for column in COLUMNS[1:]]


def _tokenize(texts: Sequence[str], model: Model, source: Path) -> list[Tensors]:
    options, _ = resolve(model, source)
    tokenizer = _tokenizer(model, source)
    cut = {"truncation": True, "max_length": options.max_length, "return_tensors": "np"}
    return [dict(tokenizer(options.prefix + text, **cut)) for text in texts]


def _tokenizer(model: Model, source: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        source, trust_remote_code="remote_code" in model.allow, local_files_only=True
    )


def tokenizer_agreement(
    folder: Path, model: Model, options: Resolved, inputs: Sequence[Tensors]
) -> float:
    """The share of validation texts that the folder's own tokenizer IR cuts as the original does.

    Texts that were cut at max_length are left out: the tokenizer IR cuts nothing, its user does.
    """
    import openvino as ov

    tokenizer = ov.Core().compile_model(ir.read(folder, ir.TOKENIZER), "CPU")
    agreed = [
        np.array_equal(tokenizer([options.prefix + text])["input_ids"], sample["input_ids"])
        for text, sample in zip(_sentences(model), inputs, strict=True)
        if size(sample) < options.max_length
    ]
    return float(np.mean(agreed))


def _lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, split at line feeds only: texts may hold other separators."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {e}") from e
    return text.removesuffix("\n").split("\n") if text else []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
