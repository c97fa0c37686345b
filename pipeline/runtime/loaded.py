"""A located artifact on a device, fed what people have: texts, pictures, sounds, or tensors.

    load("artifacts/ir/minilm-int8")(["a text", "another"])        a vector of each

What its networks are for it says itself (`openvino_artifact.json`), and the task that it names does
the rest: it was validated with the same task and the same options.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

from pipeline import kinds
from pipeline.errors import SpecError
from pipeline.networks import ir
from pipeline.networks.inputs import TOKENS
from pipeline.networks.session import Hint, Session, configuration
from pipeline.networks.tensors import Tensors
from pipeline.runtime import extra, generation, given, texts
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome

if TYPE_CHECKING:
    import openvino as ov

    from pipeline.runtime.names import Located

# What tasks read beside the networks: configurations, tokenizers, processors; no weights.
_BESIDE = ("*.json", "*.txt", "*.jinja", "*.model", "*.spm")


class Loaded:
    """An artifact on a device.

    Args:
        located: what `names.locate` found.
        device: an OpenVINO device name, as `CPU` or `AUTO`.
        execution: INFERENCE_PRECISION_HINT (`f32`, `bf16` ...), or `default` for the device's own.
        hint: what the device is tuned for.
        properties: more of OpenVINO's own, as INFERENCE_NUM_THREADS or CACHE_DIR.
        prepare: what becomes of each network before it is compiled, as static shapes.

    Attributes:
        task: what its networks are for, as in params.yaml; None where nobody knows.
        options: the task's `Resolved`; None without a task.
        sessions: its networks, by the names of their files.
        infer: tensors to tensors. Of one network that forgets it is the session's own `infer`.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
        SpecError: its task is not known.
        LibraryError: openvino.genai cannot load it.
    """

    def __init__(
        self,
        located: Located,
        device: str = "CPU",
        *,
        execution: str = "default",
        hint: Hint = "LATENCY",
        properties: Mapping[str, object] | None = None,
        prepare: Callable[["ov.Model"], "ov.Model"] | None = None,
    ) -> None:
        self.located, self.device = located, device
        self._prepare = prepare or (lambda network: network)
        self._execution, self._hint, self._properties = execution, hint, properties
        self.task: str | None = None
        self.options: Any = None
        self._member: ModuleType | None = None
        if located.told:
            self.task, self._member = located.told.task, kinds.load("task", located.told.task)
            self.options = _options(self._member, located.told.options, located.held.where)
            self._feeding = Feeding(located.held, self.task, self._member)
        self._writing = threading.Lock()
        _ = self._writer or self.infer  # what cannot be compiled is told here

    def __call__(
        self,
        asked: Any,
        *,
        purpose: str | None = None,
        labels: Sequence[str] | None = None,
        max_length: int | None = None,
        sampling_rate: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """An answer for each item, as the task has it (`answer` in its file).

        Args:
            asked: one item or a list of them: texts, pairs of texts (a tuple), pictures (a path, of
                Pillow, or an array of uint8), sounds (a path, or an array of samples). For tensors
                there is `infer`.
            purpose: whose prompt goes before each text (`query`); by default the artifact's own.
            labels: what pictures are held against, of zero-shot-image-classification.
            max_length: tokens after which a text is cut; by default all that the model takes.
            sampling_rate: of sounds that are arrays, in Hz.
            settings: of what generates, as of `generation.Settings`.

        Raises:
            SpecError: nobody knows its task, or it takes no such argument.
            DataError: an item is none of the task's.
            ToolError: a library is not here that pictures or sounds want.
            LibraryError: openvino.genai gave up.
        """
        member, options = self._known(), self._chosen(labels, max_length)
        if self._writer:
            asked = asked if isinstance(asked, list) and not _is_chat(asked) else [asked]
            told = {"sampling_rate": sampling_rate, "settings": settings}
            return ["".join(self.stream(one, **told)) for one in asked]
        items = given.items(asked, member, sampling_rate=sampling_rate)
        if getattr(member, "FED_TOKENS", False):
            inputs, outputs = self._together(self._tokens(items, options, purpose))
        else:
            if purpose is not None:
                raise SpecError(f"purpose {purpose!r}: {self.task} has no prompts")
            inputs = self._encoded(items, options)
            outputs = [member.run(self.sessions, one, options) for one in inputs]
        every = zip(items, inputs, outputs, strict=True)
        return [self._answer(Outcome(*one, options, self._read)) for one in every]

    def stream(
        self,
        asked: Any,
        *,
        sampling_rate: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """What is generated of one item, piece by piece.

        Args:
            asked: an item; of text-generation a text that goes on, or a list of the messages of a
                chat, each with its `role` and `content`.
            sampling_rate: of a sound that is an array, in Hz.
            settings: as of `generation.Settings`.

        Raises:
            SpecError: its task generates nothing, or does not know a setting.
            DataError: the item is none of the task's.
            LibraryError: openvino.genai gave up.
        """
        task, writer = self._known(), self._writer
        if writer is None:
            raise SpecError(f"{self.located.held.where}: {self.task} generates nothing")
        chosen = generation.Settings.from_dict(dict(settings or {}), "settings", SpecError)
        if not _is_chat(asked):
            [item] = given.items(asked, task, sampling_rate=sampling_rate)
            asked = item.input

        def write(put: generation.Put) -> None:
            with self._writing:  # it remembers what it wrote
                writer.write(asked, chosen, put)

        return generation.streamed(write)

    def tokens(self, asked: str | list[str], *, max_length: int | None = None) -> Tensors:
        """Texts as what the network is fed, in one batch: `infer` takes it."""
        items = given.items(asked, self._known())
        made = self._tokens(items, self._chosen(None, max_length))
        return texts.batch(made, self._tokenizer.padding, self.options.padding_side)

    def rank(self, query: str, documents: Sequence[str]) -> list[tuple[int, float]]:
        """The places of documents and how relevant each is to a query, the most relevant first."""
        scores = self([(query, document) for document in documents])
        return sorted(enumerate(scores), key=lambda one: -one[1])

    def close(self) -> None:
        """Remove what it wrote: a private copy of its small files, for libraries that want paths.

        That is removed too when nobody holds it any more.
        """
        if self._member:
            self._feeding.close()

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """Its networks on the device, by the names of their files."""
        held = self.located.held
        return {
            name: Session(
                self._prepare(held.model(name)),
                self.device,
                execution=self._execution,
                hint=self._hint,
                properties=self._properties,
            )
            for name in held.names()
        }

    @cached_property
    def infer(self) -> Callable[[Tensors], Tensors]:
        """Tensors to tensors; of one network that forgets it is the session's own `infer`."""
        first, *others = self.sessions.values()
        if not others and not first.remembers:
            return first.infer
        task = self._known()
        return lambda inputs: task.run(self.sessions, inputs, self.options)

    @cached_property
    def _writer(self) -> generation.Writer | None:
        """What generates, if its task does."""
        if self._member is None:
            return None
        properties = configuration(
            self.device, self._execution, self._hint, self._properties, remembers=True
        )
        served = generation.served(
            self.located.held, self._member, self.options, self.device, properties
        )
        if served or not hasattr(self._member, "begin"):
            return served
        return generation.Loop(
            self._member, self.sessions, self.options, self._fed, self._feeding.read
        )

    def _fed(self, asked: Any) -> Tensors:
        return self._feeding.inputs([Item(asked)], self.options)[0]

    def _known(self) -> ModuleType:
        if self._member is None:
            raise SpecError(
                f"{self.located.held.where}: nothing says what it is for: want tensors, or its task"
            )
        return self._member

    def _chosen(self, labels: Sequence[str] | None, max_length: int | None = None) -> Any:
        """The task's options, with those of a call."""
        fields, update = type(self.options).model_fields, dict[str, Any]()
        if labels is not None:
            if "template" not in fields:
                raise SpecError(f"labels {list(labels)}: {self.task} has labels of its own")
            update["labels"] = tuple(labels)
        if max_length is not None:
            if not 2 <= max_length <= (most := getattr(self.options, "max_length", 0)):
                raise SpecError(f"max_length {max_length}: {self.task} takes 2 to {most} tokens")
            update["max_length"] = max_length
        return self.options.model_copy(update=update) if update else self.options

    def _answer(self, outcome: Outcome) -> Any:
        answer = getattr(self._member, "answer", None)
        return answer(outcome) if answer else outcome.outputs

    @cached_property
    def _writer(self) -> generation.Writer | None:
        """What generates, if its task does; None too where the task alone hears what is said."""
        held, member = self.located.held, self._member
        properties = configuration(
            self.device, self._execution, self._hint, self._properties, remembers=True
        )
        whisper = getattr(self.options, "whisper", None)
        if generation.is_served() and whisper:
            return generation.Speech(held, self.device, whisper.language, properties)
        if not hasattr(member, "begin"):
            return None
        if generation.is_served() and getattr(member, "SERVED_BY", None) == "LLMPipeline":
            ends = self.options.end_token_ids
            return generation.Language(held, self.device, ends, properties)
        return generation.Loop(member, self.sessions, self.options, self._fed, self._read)

    def _fed(self, asked: Any) -> Tensors:
        """What the networks are fed of one item that they go on with."""
        if _is_chat(asked):
            raise SpecError(f"messages: want a text, or for a chat {extra.hint('openvino-genai')}")
        if getattr(self._member, "FED_TOKENS", False):
            return self._tokens([Item(asked)], None)[0]
        return self._encoded([Item(asked)], self.options)[0]

    # Texts

    @cached_property
    def _tokenizer(self) -> texts.Tokenizer:
        return texts.Tokenizer(self.located.held)

    @cached_property
    def _detokenizer(self) -> texts.Detokenizer:
        return texts.Detokenizer(self.located.held)

    def _read(self, tokens: Sequence[int]) -> str:
        return self._detokenizer(tokens)

    def _tokens(
        self, items: Sequence[Item], options: Any, purpose: str | None = None
    ) -> list[Tensors]:
        """The tokens of each text with its prompt, or of each pair."""
        prefix = self._prefix(purpose)
        rows = [
            item.input if isinstance(item.input, tuple) else (prefix + item.input,)
            for item in items
        ]
        return list(self._tokenizer(rows, options.max_length))

    def _prefix(self, purpose: str | None) -> str:
        if purpose is None:
            return str(self.options.prefix)
        prompts = getattr(self.options, "prompts", {})
        if purpose not in prompts:
            raise SpecError(f"purpose {purpose!r}: have {sorted(prompts)}")
        return str(prompts[purpose])

    def _together(self, inputs: Sequence[Tensors]) -> tuple[list[Tensors], list[Tensors]]:
        """Inputs and outputs of texts that run as one batch; where no mask is taken, one by one."""
        run = self._known().run
        alike = len({sample[TOKENS].shape for sample in inputs}) == 1
        if not (alike or texts.MASK in self.sessions[ir.MODEL].inputs):
            return list(inputs), [run(self.sessions, one, self.options) for one in inputs]
        fed = texts.batch(inputs, self._tokenizer.padding, self.options.padding_side)
        return _rows(fed), _rows(run(self.sessions, fed, self.options))

    # Pictures and sounds

    @cached_property
    def _folder(self) -> Path:
        """The files beside the networks, as libraries take them that take paths only."""
        return self._private.enter_context(self.located.held.copied(*_BESIDE))

    def _encoded(self, items: Sequence[Item], options: Any) -> list[Tensors]:
        """What the task itself makes of items, as it did where the artifact was validated."""
        where = str(self.located.held.where)
        model = Model(name=where, source=where, format="openvino", task=str(self.task))
        with extra.wanted(str(self.task)):
            made: list[Tensors] = self._known().encode(items, self._folder, model, options)
        return made


def load(
    name: str,
    *,
    device: str = "CPU",
    precision: str = "auto",
    execution: str = "default",
    hint: Hint = "LATENCY",
    properties: Mapping[str, object] | None = None,
) -> Loaded:
    """A model by its name, on a device.

    Args:
        name: a path, a CID, a variant or model of the catalog, or a Hugging Face id.
        device: an OpenVINO device name.
        precision: of the artifact; `auto` is the fastest that met its gate.
        execution: INFERENCE_PRECISION_HINT, or `default` for the device's own.
        hint: what the device is tuned for.
        properties: more of OpenVINO's own.

    Raises:
        PipelineError: there is none of that name, or it cannot be loaded.
    """
    wanted = Wanted(precision=precision, device=device, execution=execution)
    located = locate(name, wanted)
    return Loaded(located, device, execution=execution, hint=hint, properties=properties)


def _is_chat(asked: Any) -> bool:
    return isinstance(asked, list) and all(
        isinstance(one, Mapping) and {"role", "content"} <= one.keys() for one in asked
    )


def _options(member: ModuleType, told: Mapping[str, Any], where: str) -> Any:
    """The task's options, of which others than it knows are left out (docs/artifact-format.md)."""
    known = {name: value for name, value in told.items() if name in member.Resolved.model_fields}
    return member.Resolved.from_dict(known, f"{where}: options")
