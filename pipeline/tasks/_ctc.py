"""Connectionist temporal classification: a logit for each piece of text, in each frame of sound.

Greedy decoding: the largest of each frame, one of each run of equal ones, and no blanks.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ExportError
from pipeline.figure import Figure
from pipeline.host.reasons import over
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Networks, Tensors, Vector
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Trial, _classes, _transcripts


class Reading(Record):
    """How the outputs are read.

    Args:
        pieces: what each adds to a text; nothing is the blank, and a space what parts words.
    """

    pieces: tuple[str, ...]


def reading(model: Model, source: Path) -> Reading:
    """How a repository's tokenizer reads the outputs.

    Raises:
        ExportError: it is no model with CTC.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CTC_MAPPING_NAMES

    kind = read_json(source / "config.json", dict, ExportError).get("model_type")
    if kind not in MODEL_FOR_CTC_MAPPING_NAMES:
        raise ExportError(
            f"models.{model.name}.task: {model.task!r}: model_type {kind!r}: want whisper, or one "
            f"with CTC: {sorted(MODEL_FOR_CTC_MAPPING_NAMES)}"
        )
    return Reading(pieces=_pieces(source))


@over("the tokenizer's files")
def _pieces(folder: Path) -> tuple[str, ...]:
    """What each output adds to a text, by the tokenizer of a repository or an artifact.

    Raises:
        ExportError: there is no tokenizer of that sort.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = tokenizer.get_vocab()
    letters = (place for token, place in tokens.items() if len(token) == 1 and token.isalpha())
    beside = next(letters, None)
    if beside is None or not hasattr(tokenizer, "word_delimiter_token"):
        raise ExportError(f"{type(tokenizer).__name__}: want a tokenizer of letters, for CTC")
    count = read_json(folder / "config.json", dict, ExportError).get("vocab_size", 32)
    return tuple(_between(tokenizer, beside, place) for place in range(count))


def _between(tokenizer: Any, letter: int, place: int) -> str:
    """What a token adds between two letters: at the ends of a text spaces are cut off."""
    text = tokenizer.decode([letter, place, letter], group_tokens=False)
    return str(text[1:-1])


def run(networks: Networks, inputs: Tensors) -> Tensors:
    """logits, of shape (1, frames, outputs)."""
    return {"logits": networks[ir.MODEL](inputs)["logits"]}


def text(logits: Vector, outputs: Sequence[str]) -> str:
    """What is heard.

    Args:
        logits: of shape (frames, outputs).
        outputs: what each adds to a text.
    """
    chosen = (place for place, _ in groupby(logits.argmax(axis=-1).tolist()))
    return "".join(outputs[place] for place in chosen).strip()


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures; each side is read by its own tokenizer."""
    names: Sequence[str] = trial.options.ctc.pieces
    theirs = _pieces(trial.folder)
    yield metrics.max_abs_error(trial.expected, trial.measured)
    wanted, found = _logits(trial.expected), _logits(trial.measured)
    expected, measured = np.concatenate(wanted), np.concatenate(found)
    same = expected.argmax(axis=1) == measured.argmax(axis=1)
    yield Figure(metric="token_agreement", value=float(same.mean()), samples=len(same))
    apart = _classes.divergence(expected, measured)
    yield Figure(metric="kl_mean", value=float(apart.mean()), samples=len(apart))
    alike = [place < len(theirs) and theirs[place] == name for place, name in enumerate(names)]
    yield Figure(metric="tokenizer_agreement", value=float(np.mean(alike)), samples=len(alike))
    yield from _transcripts.judge(
        trial.items, [text(one, names) for one in wanted], [text(one, theirs) for one in found]
    )


def _logits(outputs: Sequence[Tensors]) -> list[Vector]:
    """Of each item, of shape (frames, outputs)."""
    return [output["logits"][0].astype(np.float64) for output in outputs]
