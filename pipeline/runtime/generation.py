"""Texts that go on piece by piece, and speech that becomes one: openvino.genai, or the task's loop.

openvino.genai, where it is installed, runs the very bytes that were hashed: a language model and
its tokenizer from memory, Whisper, which it takes from a path only, from a private copy. What it
does not run here, the task goes on with itself, in the loop that the artifact was validated in.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import Field

from pipeline.errors import LibraryError, SpecError
from pipeline.host import reasons
from pipeline.networks import ir
from pipeline.networks.tensors import Networks, Tensors, Vector
from pipeline.record import Record
from pipeline.runtime import extra
from pipeline.runtime.held import Held
from pipeline.tasks import _audio

if TYPE_CHECKING:
    import openvino_genai

Put = Callable[[str], bool]  # takes a piece of text; whether it was the last that is wanted
_UNFINISHED = "\ufffd"  # what stands for a character of which bytes are to come
_GENAI = f"text-generation and {extra.hint('openvino-genai')}"
_RATE = 16_000  # samples per second, as Whisper hears


class Settings(Record):
    """How a text goes on: greedily, unless `temperature`, `top_k` or `top_p` says to draw.

    Args:
        max_new_tokens: at most so many.
        min_new_tokens: the text does not end before.
        temperature: by which logits are divided before a token is drawn.
        top_k: of how many likeliest tokens one is drawn.
        top_p: of the fewest whose probabilities sum up to this.
        num_beams: how many texts are followed, of which the likeliest is told.
        stop_strings: the text ends before one of them.
        stop_token_ids: and at one of these, beside those of the artifact.
    """

    max_new_tokens: int = Field(default=256, ge=1, le=1_000_000)
    min_new_tokens: int = Field(default=0, ge=0, le=1_000_000)
    temperature: float | None = Field(default=None, gt=0, le=100)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0, le=1)
    num_beams: int = Field(default=1, ge=1, le=1000)
    stop_strings: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn."""
        return any(one is not None for one in (self.temperature, self.top_k, self.top_p))


class Writer(Protocol):
    """What goes on with what it is given."""

    def write(self, given: Any, settings: Settings, put: Put) -> None:
        """Put pieces of text until it ends, or until nothing more is wanted."""


def served(
    held: Held, task: ModuleType, options: Any, device: str, properties: Mapping[str, object]
) -> Writer | None:
    """A task's pipeline of openvino.genai; None if it has none here, or that is not installed."""
    name = getattr(task, "SERVED_BY", None)
    if importlib.util.find_spec("openvino_genai") is None:
        return None
    if name == "LLMPipeline":
        return Language(held, device, options.end_token_ids, properties)
    if name == "WhisperPipeline" and options.whisper:
        return Speech(held, device, options.whisper.language, properties)
    return None


def streamed(write: Callable[[Put], None]) -> Iterator[str]:
    """Pieces of a text, while they are written; it ends when nobody asks for more."""
    pieces: SimpleQueue[str | None] = SimpleQueue()
    is_over = False

    def put(piece: str) -> bool:
        pieces.put(piece)
        return is_over

    with ThreadPoolExecutor(1) as worker:
        writing = worker.submit(write, put)
        writing.add_done_callback(lambda _: pieces.put(None))
        try:
            yield from iter(pieces.get, None)
        finally:
            is_over = True
        writing.result()


class Language:
    """A language model in openvino.genai, from memory.

    Args:
        held: the artifact.
        device: an OpenVINO device name.
        ends: the tokens after which nothing comes.
        properties: OpenVINO's own.
    """

    def __init__(
        self, held: Held, device: str, ends: Sequence[int], properties: Mapping[str, object]
    ) -> None:
        import openvino_genai

        self._where, self._ends = held.where, set(ends)
        with _said(held.where):
            self._tokenizer = openvino_genai.Tokenizer(
                *held.source(ir.TOKENIZER), *held.source(ir.DETOKENIZER)
            )
            self._pipeline = openvino_genai.LLMPipeline(
                *held.source(ir.MODEL), self._tokenizer, device, **properties
            )

    def write(self, given: Any, settings: Settings, put: Put) -> None:
        """Go on with a text as it is, or with messages of a chat by the model's own template."""
        import openvino_genai

        config = _config(settings, self._ends)
        asked: Any = given
        config.apply_chat_template = is_chat = not isinstance(given, str)
        if is_chat:
            if not self._tokenizer.chat_template:
                raise SpecError(f"{self._where}: no chat template: want a text, and no messages")
            asked = openvino_genai.ChatHistory(list(map(dict, given)))
        with _said(self._where):
            if settings.num_beams > 1:  # of several texts nothing is known before the end
                put(str(self._pipeline.generate(asked, config)))
            else:
                self._pipeline.generate(asked, config, put)


class Speech:
    """Whisper in openvino.genai, from a private copy that is gone once it is loaded.

    Args:
        held: the artifact.
        device: an OpenVINO device name.
        language: what is spoken, of a Whisper of many languages.
        properties: OpenVINO's own.
    """

    def __init__(
        self, held: Held, device: str, language: str, properties: Mapping[str, object]
    ) -> None:
        import openvino_genai

        self._where = held.where
        with held.copied() as folder, _said(held.where):
            self._pipeline = openvino_genai.WhisperPipeline(folder, device, **properties)
        self._config = self._pipeline.get_generation_config()
        if self._config.is_multilingual:
            self._config.language, self._config.task = f"<|{language}|>", "transcribe"

    def write(self, given: Any, settings: Settings, put: Put) -> None:
        """Write down what is said, in one piece.

        Raises:
            SpecError: settings are given, of which the artifact itself says what there is to say.
        """
        if settings != Settings():
            raise SpecError("settings: Whisper goes on as its artifact says: want none")
        with extra.wanted("sounds"):
            heard = _audio.sound(given, _RATE)
        with _said(self._where):
            put(str(self._pipeline.generate(heard.tolist(), self._config)).strip())


class Loop:
    """A task's own loop over its networks.

    Args:
        task: which has `begin`.
        networks: of the artifact.
        options: the task's `Resolved`.
        encode: what the networks are fed of an item.
        read: the text of tokens.
    """

    def __init__(
        self,
        task: ModuleType,
        networks: Networks,
        options: Any,
        encode: Callable[[Any], Tensors],
        read: Callable[[Sequence[int]], str],
    ) -> None:
        self._task, self._networks, self._options = task, networks, options
        self._encode, self._read = encode, read

    def write(self, given: Any, settings: Settings, put: Put) -> None:
        """Go on with an item.

        Raises:
            SpecError: messages, or several beams, which openvino.genai knows and this does not.
        """
        if settings.num_beams > 1:
            raise SpecError(f"num_beams {settings.num_beams}: want 1, or {_GENAI}")
        if isinstance(given, list):
            raise SpecError(f"messages of a chat: want a text, or {_GENAI}")
        ends = {*self._options.end_token_ids, *settings.stop_token_ids}
        step, fed = self._task.begin(self._networks, self._encode(given), self._options)
        drawn = np.random.default_rng(0)
        tokens: list[int] = []
        told = _Told(settings.stop_strings, put)
        for number in range(settings.max_new_tokens):
            logits = step(fed)[0, -1].astype(np.float64)
            if number < settings.min_new_tokens:
                logits[list(ends)] = -np.inf
            token = _choose(logits, settings, drawn)
            if token in ends:
                break
            tokens.append(token)
            if told.is_over(self._read(tokens)):
                return
            fed = np.array([[token]])
        told.rest(self._read(tokens))


class _Told:
    """What of a text was put; what may become a stop string waits."""

    def __init__(self, stops: Sequence[str], put: Put) -> None:
        self._stops, self._put, self._count = stops, put, 0
        self._waiting = max((len(stop) - 1 for stop in stops), default=0)

    def is_over(self, text: str) -> bool:
        """Put what is new in a text, and say whether it ends there."""
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.rest(text[: min(places)])
            return True
        if text.endswith(_UNFINISHED):
            return False
        return self.rest(text[: len(text) - self._waiting])

    def rest(self, text: str) -> bool:
        """Put what is new in a text that waits for nothing."""
        piece, self._count = text[self._count :], max(self._count, len(text))
        return self._put(piece) if piece else False


def _choose(logits: Vector, settings: Settings, drawn: np.random.Generator) -> int:
    """The likeliest token, or one that chance chooses."""
    if not settings.draws:
        return int(logits.argmax())
    order = np.argsort(-logits, kind="stable")[: settings.top_k]
    raised = np.exp((logits[order] - logits.max()) / (settings.temperature or 1))
    shares = raised / raised.sum()
    if settings.top_p is not None:
        shares[1:][np.cumsum(shares)[:-1] >= settings.top_p] = 0
    return int(drawn.choice(order, p=shares / shares.sum()))


def _config(settings: Settings, ends: set[int]) -> "openvino_genai.GenerationConfig":
    """The same in openvino.genai's words."""
    import openvino_genai

    given = settings.model_dump(exclude_none=True, exclude={"stop_strings", "stop_token_ids"})
    config = openvino_genai.GenerationConfig(do_sample=settings.draws, **given)
    config.stop_strings = set(settings.stop_strings)
    config.stop_token_ids = ends | set(settings.stop_token_ids)
    return config


@contextmanager
def _said(where: str) -> Iterator[None]:
    """What openvino.genai says in C++, in one line.

    Raises:
        LibraryError: it gave up.
    """
    try:
        yield
    except RuntimeError as e:
        raise LibraryError(f"{where}: openvino.genai: {reasons.last_line(str(e))}") from e
