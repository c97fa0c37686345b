"""A located artifact on a device, fed what people have: texts, pictures, sounds, or tensors.

    load("artifacts/ir/minilm-int8")(["a text", "another"])        a vector of each

What its networks are for it says itself (`openvino_artifact.json`), and the task that it names does
the rest: it was validated with the same task and the same options.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline import kinds
from pipeline.errors import SpecError
from pipeline.networks.session import Hint, Session, configuration
from pipeline.networks.sessions import open_session
from pipeline.networks.tensors import Tensors
from pipeline.runtime import devices, generation, given
from pipeline.runtime.feeding import Feeding
from pipeline.runtime.names import Located, Wanted, locate
from pipeline.tasks import Item, Outcome

if TYPE_CHECKING:
    import openvino as ov


class Loaded:
    """An artifact on a device.

    Args:
        located: what `names.locate` found.
        device: an OpenVINO device name, as `CPU` or `AUTO`.
        execution: INFERENCE_PRECISION_HINT (`f32`, `bf16` ...), or `default` for the device's own.
        hint: what the device is tuned for.
        properties: more of OpenVINO's own, as INFERENCE_NUM_THREADS or CACHE_DIR.
        prepare: what becomes of each network before it is compiled, as static shapes.
        originals: what runs in place of its networks, as sessions do (runtime/cpu.py).

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
        originals: Mapping[str, Any] | None = None,
    ) -> None:
        self.located, self.device = located, device
        self._prepare, self._originals = prepare or (lambda network: network), originals
        self._execution, self._hint, self._properties = execution, hint, properties
        self.task: str | None = None
        self.options: Any = None
        self._member: ModuleType | None = None
        if located.told:
            self.task, self._member = located.told.task, kinds.load("task", located.told.task)
            self.options = _options(self._member, located.told.options, located.held.where)
            self._feeding = Feeding(located.held, located.told, self._member)
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
        task, options = self._known(), self._chosen(purpose, labels, max_length)
        if self._writer:
            if max_length is not None:
                raise SpecError(f"max_length {max_length}: want max_new_tokens of {self.task}")
            several = asked if isinstance(asked, list) and not given.is_chat(asked) else [asked]
            return [
                "".join(self.stream(one, sampling_rate=sampling_rate, settings=settings))
                for one in several
            ]
        if settings is not None:
            raise SpecError(f"settings {dict(settings)}: {self.task} generates nothing")
        items = given.items(asked, task, sampling_rate=sampling_rate)
        inputs = self._feeding.inputs(items, options, self.sessions)
        every = zip(items, *self._feeding.run(self.sessions, inputs, options), strict=True)
        return [self._answer(Outcome(*one, options, self._feeding.read)) for one in every]

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
        if not given.is_chat(asked):
            [item] = given.items(asked, task, sampling_rate=sampling_rate)
            asked = item.input

        def write(put: generation.Put) -> None:
            with self._writing:  # it remembers what it wrote
                writer.write(asked, chosen, put)

        return generation.streamed(write)

    def tokens(self, asked: str | list[str], *, max_length: int | None = None) -> Tensors:
        """Texts as what the network is fed, in one batch: `infer` takes it.

        Raises:
            SpecError: the artifact has no tokenizer IR.
            DataError: something is no text.
        """
        items = given.items(asked, self._known())
        options = self._chosen(None, None, max_length)
        return self._feeding.tokens(items, options, self.sessions)

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

    @property
    def is_original(self) -> bool:
        """Whether something else than OpenVINO runs it."""
        return self._originals is not None

    @property
    def is_served(self) -> bool:
        """Whether openvino.genai runs it: of `sessions` none is compiled unless it is asked for."""
        return not isinstance(self._writer, generation.Loop | None)

    @property
    def generates(self) -> bool:
        """Whether its task goes on with what it is given."""
        return self._writer is not None

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """Its networks on the device, by the names of their files."""
        if self._originals is not None:
            return dict(self._originals)
        held = self.located.held
        return {
            name: open_session(
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
        """Tensors to tensors; of one network that forgets it is the session's own `infer`.

        One that remembers forgets before each call. Of several networks it is the task's `run`.
        """
        first, *others = self.sessions.values()
        if not others:
            return self._forgetful(first) if first.remembers else first.infer
        task = self._known()
        return lambda inputs: task.run(self.sessions, inputs, self.options)

    def _forgetful(self, session: Session) -> Callable[[Tensors], Tensors]:
        def infer(inputs: Tensors) -> Tensors:
            with self._writing:
                session.reset()
                return session.infer(inputs)

        return infer

    @cached_property
    def _writer(self) -> generation.Writer | None:
        """What generates, if its task does."""
        if self._member is None:
            return None
        properties = configuration(
            self.device, self._execution, self._hint, self._properties, remembers=True
        )
        served = None
        if not self.is_original:
            served = generation.served(
                self.located.held, self._member, self.options, self.device, properties
            )
        if served or not hasattr(self._member, "begin"):
            return served
        return generation.Loop(
            self._member, self.sessions, self.options, self._fed, self._feeding.read
        )

    def _fed(self, asked: Any) -> Tensors:
        return self._feeding.inputs([Item(asked)], self.options, self.sessions)[0]

    def _known(self) -> ModuleType:
        if self._member is None:
            raise SpecError(
                f"{self.located.held.where}: nothing says what it is for: want tensors, or its task"
            )
        return self._member

    def _chosen(
        self, purpose: str | None, labels: Sequence[str] | None, max_length: int | None
    ) -> Any:
        """The task's options, with what a call says."""
        known = type(self.options).model_fields
        changes: dict[str, Any] = {}
        if purpose is not None:
            prompts = self.options.prompts if "prompts" in known else {}
            if purpose not in prompts:
                raise SpecError(f"purpose {purpose!r}: the artifact's are {sorted(prompts)}")
            changes["default_prompt"] = purpose
        if labels is not None:
            if "template" not in known:
                raise SpecError(f"labels {list(labels)}: {self.task} chooses none of a call's")
            changes["labels"] = tuple(labels)
        if max_length is not None:
            if not 2 <= max_length <= (most := getattr(self.options, "max_length", 0)):
                raise SpecError(f"max_length {max_length}: {self.task} takes 2 to {most} tokens")
            changes["max_length"] = max_length
        return self.options.model_copy(update=changes)

    def _answer(self, outcome: Outcome) -> Any:
        answer = getattr(self._member, "answer", None)
        return answer(outcome) if answer else outcome.outputs


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
        device: as `devices.parse` takes it: `GPU.1`, `AUTO:GPU,CPU` ...
        precision: of the artifact; `auto` is the fastest that met its gate.
        execution: INFERENCE_PRECISION_HINT, or `default` for the device's own.
        hint: what the device is tuned for.
        properties: more of OpenVINO's own.

    Raises:
        PipelineError: there is none of that name, or it cannot be loaded.
    """
    device = str(devices.parse(device))
    wanted = Wanted(precision=precision, device=device, execution=execution)
    located = locate(name, wanted)
    return Loaded(located, device, execution=execution, hint=hint, properties=properties)


def _options(member: ModuleType, told: Mapping[str, Any], where: str) -> Any:
    """The task's options, of which others than it knows are left out (docs/artifact-format.md)."""
    known = {name: value for name, value in told.items() if name in member.Resolved.model_fields}
    return member.Resolved.from_dict(known, f"{where}: options")
