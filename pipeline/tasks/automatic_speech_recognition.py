"""Automatic speech recognition: speech in, a text out.

With CTC (wav2vec2, HuBERT and their like) one network gives letters for each frame of sound;
Whisper is an encoder and a decoder.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks.tensors import Networks, Tensors
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import (
    Item,
    Outcome,
    Trial,
    _audio,
    _ctc,
    _generation,
    _texts,
    _transcripts,
    _whisper,
)
from pipeline.tasks._audio import Sizes as Sizes
from pipeline.tasks._audio import invent as invent
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._transcripts import items as items

TOOLCHAIN = (*_audio.TOOLCHAIN, *(n for n in _texts.TOOLCHAIN if n not in _audio.TOOLCHAIN))
RUNS_WITH = ()
SERVED_BY = "WhisperPipeline"
JUDGED_WITH = (*_generation.JUDGED_WITH, *_transcripts.JUDGED_WITH, "tokenizers")
_FIGURES = ("token_agreement", "kl_mean", "common_prefix", "max_abs_error")
METRICS = {
    **{name: _generation.METRICS[name] for name in _FIGURES},
    "tokenizer_agreement": Metric("higher", gate=dict.fromkeys((32, 16, 8, 4), 1.0), stays=True),
    **_transcripts.METRICS,
}


class Options(Record):
    """`options:` of a model.

    Args:
        language: what is spoken, as `en`; of a Whisper of many languages only.
    """

    language: str | None = None


class Resolved(Record):
    """What decides a transcript beside the weights: one of the two.

    Args:
        ctc: how the outputs of a network with CTC are read.
        whisper: how Whisper's decoder goes on.
    """

    ctc: _ctc.Reading | None = None
    whisper: _whisper.Decoding | None = None


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: it is of neither kind, or knows no such language.
    """
    options = Options.from_dict(model.options)
    if _is_whisper(source):
        decoding, notes = _whisper.decoding(model, options.language, source)
        return Resolved(whisper=decoding), notes
    if options.language is not None:
        raise ExportError(
            f"models.{model.name}.options.language: {options.language!r}: want it of Whisper only"
        )
    return Resolved(ctc=_ctc.reading(model, source)), []


def tokenized(source: Path) -> bool:
    """Whether a tokenizer IR belongs to it: CTC is decoded without."""
    return _is_whisper(source)


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """What the feature extractor makes of each sound: waves or spectrograms, of shape (1, ...).

    Raises:
        DataError: a sound is longer than the model hears.
    """
    heard = _audio.encode(items, source, model, options, whole=True)
    return _whisper.encode(items, heard, source, model) if options.whisper else heard


def sized(source: Path, model: Model, options: Resolved, sizes: Sizes) -> Tensors:
    """Noise as the feature extractor makes it, of shape (batch, ...).

    Raises:
        DataError: it is longer than the model hears.
    """
    heard = _audio.sized(source, model, options, sizes, whole=True)
    return _whisper.sized(heard, sizes.seconds) if options.whisper else heard


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """With CTC logits, of shape (1, frames, outputs); else tokens and their probabilities."""
    if options.whisper:
        return _whisper.run(networks, inputs, options.whisper, follow)
    return _ctc.run(networks, inputs)


def answer(outcome: Outcome) -> str:
    """What is said."""
    if outcome.options.ctc:
        return _ctc.text(outcome.outputs["logits"][0], outcome.options.ctc.pieces)
    return outcome.read(outcome.outputs[_whisper.HEARD].tolist())


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of outputs and of transcripts."""
    return _whisper.judge(trial) if trial.options.whisper else _ctc.judge(trial)


def _is_whisper(source: Path) -> bool:
    kind = read_json(source / "config.json", dict, ExportError).get("model_type")
    return bool(kind == "whisper")
