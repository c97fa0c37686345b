"""Whisper: an encoder hears 30 seconds, a decoder writes what is said, a token after the other.

An artifact is judged twice: on the original's tokens, for the divergence of probabilities, and
alone, for its own transcript.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ExportError
from pipeline.figure import Figure
from pipeline.networks import ir
from pipeline.networks.inputs import TOKENS
from pipeline.networks.tensors import Array, Networks, Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _audio, _generation, _texts, _transcripts

_TEXT, HEARD = "text_ids", "heard"
_DEFAULT = "en"
_PER_SECOND = 4  # tokens of a benchmark: about as fast as people speak


class Decoding(Record):
    """What decides a transcript beside the weights.

    Args:
        language: what is spoken; a Whisper of one language is one of English.
        prompt_token_ids: what comes before the transcript: start, language, task, no timestamps.
        end_token_ids: after which nothing comes.
        suppressed_token_ids: that are never chosen.
        suppressed_first_token_ids: that are not chosen as the first.
        max_tokens: of a transcript.
    """

    language: str
    prompt_token_ids: tuple[int, ...]
    end_token_ids: tuple[int, ...]
    suppressed_token_ids: tuple[int, ...]
    suppressed_first_token_ids: tuple[int, ...]
    max_tokens: int

    def barred(self, number: int) -> tuple[int, ...]:
        """The tokens that may not be the n-th."""
        first = self.suppressed_first_token_ids if number == 0 else ()
        return (*self.suppressed_token_ids, *first)


def decoding(model: Model, language: str | None, source: Path) -> tuple[Decoding, list[str]]:
    """What the repository says, and what holds where nobody chose a language.

    Raises:
        ExportError: it says too little, or knows no such language.
    """
    said = _generation.settings(source)
    prompt, notes = _prompt(model, language, said)
    longest = min(_number(said, "max_length", 448), _number(said, "max_target_positions", 448))
    if longest <= len(prompt):
        raise ExportError(f"{model.source}: max_length {longest}: want more than {len(prompt)}")
    return Decoding(
        language=language or _DEFAULT,
        prompt_token_ids=prompt,
        end_token_ids=_generation.ids(said.get("eos_token_id")),
        suppressed_token_ids=_kept(said, "suppress_tokens"),
        suppressed_first_token_ids=_kept(said, "begin_suppress_tokens"),
        max_tokens=longest - len(prompt),
    ), notes


def _prompt(
    model: Model, language: str | None, said: Mapping[str, Any]
) -> tuple[tuple[int, ...], list[str]]:
    start = _generation.start(model, said)
    plain = _generation.ids(said.get("no_timestamps_token_id"))
    languages, tasks = said.get("lang_to_id") or {}, said.get("task_to_id") or {}
    if not said.get("is_multilingual", bool(languages)):
        if language is not None:
            raise ExportError(
                f"models.{model.name}.options.language: {language!r}: its model has one language"
            )
        return start + plain, []
    chosen = language or _DEFAULT
    if f"<|{chosen}|>" not in languages or "transcribe" not in tasks:
        have = sorted(name.strip("<|>") for name in languages)
        raise ExportError(
            f"models.{model.name}.options.language: {chosen!r}: generation_config.json has {have}"
        )
    notes = [] if language else [f"language: {chosen}, as options.language says none"]
    return start + (languages[f"<|{chosen}|>"], tasks["transcribe"]) + plain, notes


def _number(said: Mapping[str, Any], name: str, default: int) -> int:
    stated = said.get(name)
    return stated if isinstance(stated, int) else default


def _kept(said: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Token ids; -1 was written for none."""
    return tuple(token for token in _generation.ids(said.get(name)) if token >= 0)


def encode(
    items: Sequence[Item], heard: Sequence[Tensors], source: Path, model: Model
) -> list[Tensors]:
    """What is heard of each item, and beside it a text as tokens, on which tokenizers are judged.

    That is what is said; of what has no label, its name.
    """
    tokenizer = _texts.tokenizer_of(source, model)
    tokens = [np.array([tokenizer(_text(item.input, item.label))[TOKENS]]) for item in items]
    return [{**one, _TEXT: ids} for one, ids in zip(heard, tokens, strict=True)]


def sized(heard: Tensors, seconds: int) -> Tensors:
    """What a benchmark feeds: a sound, and how many tokens are made of it."""
    return {**heard, _generation.MOST: np.array([seconds * _PER_SECOND])}


def run(networks: Networks, inputs: Tensors, options: Decoding, follow: Tensors | None) -> Tensors:
    """What _generation.compared keeps, and `heard` (tokens,), its own transcript."""
    hidden = networks[ir.ENCODER](inputs)["last_hidden_state"]
    prompt = np.array([options.prompt_token_ids] * len(hidden), np.int64)
    choose = _generation.greedy(options.max_tokens, options.end_token_ids, options.barred)

    def step() -> _generation.Step:
        return _generation.remembering(networks[ir.DECODER], encoder_hidden_states=hidden)

    if _generation.MOST in inputs:
        return _generation.timed(step(), prompt, inputs)
    kept = _generation.compared(step(), prompt, choose, follow, options.barred)
    if follow is None:
        return {**kept, HEARD: kept["tokens"]}
    calls = enumerate(_generation.spoken(step(), prompt, choose))
    heard = [_generation.best(logits[:, -1], options.barred(number)) for number, logits in calls]
    return {**kept, HEARD: np.concatenate(heard)}


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures; both sides are read by the artifact's detokenizer, which is judged too."""
    unlabelled = trial._replace(items=[Item(item.input) for item in trial.items])
    yield from _generation.judge(unlabelled, _TEXT)
    read = _Tokenizers(trial.folder)
    texts = [_text(item.input, item.label) for item in trial.items]
    same = [read.agree(t, one[_TEXT][0]) for t, one in zip(texts, trial.inputs, strict=True)]
    yield Figure(metric="tokenizer_agreement", value=float(np.mean(same)), samples=len(same))
    expected, measured = (
        [read.text(one[HEARD]) for one in side] for side in (trial.expected, trial.measured)
    )
    spoken = trial.options.whisper.language
    yield from _transcripts.judge(trial.items, expected, measured, spoken)


class _Tokenizers:
    """An artifact's tokenizer and detokenizer IR."""

    def __init__(self, folder: Path) -> None:
        import openvino as ov

        core = ov.Core()
        self._tokenize = core.compile_model(ir.read(folder, ir.TOKENIZER), "CPU")
        self._detokenize = core.compile_model(ir.read(folder, ir.DETOKENIZER), "CPU")

    def text(self, tokens: Array) -> str:
        """What tokens say; special ones say nothing."""
        return str(self._detokenize([tokens.astype(np.int64)[None]])[0][0])

    def agree(self, text: str, tokens: Array) -> bool:
        """Whether a text becomes these tokens, and these tokens the text."""
        made = self._tokenize([text])[TOKENS][0]
        back = _transcripts.normal(self.text(tokens))
        return np.array_equal(made, tokens) and back == _transcripts.normal(text)


def _text(given: Any, label: str | None) -> str:
    """The label, or a name: in a reference a file is known by its name alone."""
    return label or _audio.called(given)
