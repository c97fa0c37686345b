"""params.yaml against the families: every name means something, every option is known.

It is all that can be known before anything runs; the library's declarations are loaded for it, and
none of the libraries that they call.
"""

import re
from collections.abc import Callable
from pathlib import Path

from pipeline import (
    bounds,
    devices,
    factory,
    formats,
    imports,
    kinds,
    preprocess,
    sizes,
    spec,
)
from pipeline.errors import SpecError
from pipeline.spec import Data, Model, Params, Target, Variant

DEVICES = (*devices.PLAIN, "AUTO")
_NUMBERED = re.compile(r"(?:GPU|NPU)\.(?:0|[1-9][0-9]?)")  # one of several; there is one CPU


def load(path: Path) -> Params:
    """The checked contents of a params.yaml.

    Raises:
        SpecError: one line per problem, each with the key, the value and what would be right.
    """
    params = _with_formats(spec.read(path))
    problems = dict.fromkeys(line for line in _problems(params) if line)
    if problems:
        raise SpecError("\n".join(problems))
    return params


def _with_formats(params: Params) -> Params:
    """Every model with its format, found from its source where the entry leaves it out."""
    models = {
        name: model if model.format else model.model_copy(update={"format": formats.of(model)})
        for name, model in params.models.items()
    }
    return params.model_copy(update={"models": models})


def _problems(params: Params) -> list[str]:
    """One line per problem, and empty ones."""
    if lines := kinds.misplaced():
        return lines
    for name in params.precisions:
        lines.append(_said(kinds.load, "precision", name, where="precisions"))
    for model in params.models.values():
        where = f"models.{model.name}"
        format_problem = _said(kinds.load, "format", model.format, where=f"{where}.format")
        lines.append(format_problem or _said(_check_format, model, where=where))
        lines.append(_said(_check_source, model, where=f"{where}.source"))
        for field, data in model.data.items():
            lines.append(_said(_check_data, data, where=f"{where}.{field}"))
        for metric in model.metrics:
            lines.append(_said(kinds.load, "metric", metric, where=f"{where}.metrics"))
        task_problem = _said(kinds.load, "task", model.task, where=f"{where}.task")
        lines.append(task_problem or _said(_check_task, model, where=""))
        if problem := preprocess.problem(model.pictures, model.sides):
            lines.append(f"{where}.preprocess.{problem}")
    for target in params.pins.values():
        lines.append(_said(_check_target, target, where=f"pins.{target.name}"))
    if any(lines):
        return lines
    lines.append(_said(_check_imports, params, where=""))
    for model in params.models.values():
        lines.append(_said(sizes.check, params, model, where=""))
    for variant in params.variants.values():
        lines.extend(_variant_problems(params, variant))
    for key, device in [
        *(("devices", d) for d in params.devices),
        ("validate.device", params.validation.device),
    ]:
        if device not in DEVICES and not _NUMBERED.fullmatch(device):
            have = f"device {device!r}: have {list(DEVICES)}, and GPU.1 or NPU.1 of several"
            lines.append(f"{key}: {devices.gone(device) or have}")
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
    if lines:
        return lines
    lines.append(_misnamed(variant))
    lines.append(_said(bounds.of, params, variant, where=""))
    lines.append(_said(_check_options, params, variant, where=""))
    return lines


def _misnamed(variant: Variant) -> str:
    """A variant's name may carry a precision only if it is the variant's own.

    The model's name in it does not count.
    """
    name = re.sub(rf"(^|[-_.]){re.escape(variant.model)}(?=$|[-_.])", "", variant.name, count=1)
    for precision in sorted(kinds.names("precision"), key=len, reverse=True):
        spelt = precision.replace("_", "[-_.]")  # a hyphen is as good
        if re.search(rf"(^|[-_.]){spelt}($|[-_.])", name):
            if re.fullmatch(spelt, variant.precision):
                return ""
            return (
                f"variants.{variant.name}.precision: {variant.precision!r}: the name says "
                f"{precision}; rename the variant or give it that precision"
            )
    return ""


def _check_source(model: Model) -> None:
    known = model.source_kind.replace("-", "_") in kinds.names("source")
    if not (known and model.source_location) and (fits := _suggested(model.source)):
        raise SpecError(f"{model.source!r}: want {' or '.join(fits)}")
    if not model.source_location:
        have = [f"{name}:" for name in kinds.names("source")]
        raise SpecError(
            f"{model.source!r}: want KIND:LOCATION, as package:NAME/FOLDER: have {have}"
        )
    kinds.load("source", model.source_kind).check(model.source_location)


def _check_format(model: Model) -> None:
    """An entry has what its exporter asks for, and a factory that can be found."""
    if model.factory:
        factory.check(model.factory)
    exporter = kinds.load("format", model.format)
    if hasattr(exporter, "check"):
        exporter.check(model)


def _check_data(data: Data) -> None:
    """A data set that lies elsewhere comes by a source kind."""
    if data.kind:
        kinds.load("source", data.kind).check(data.location)


def _suggested(text: str) -> list[str]:
    """What a source without a kind may have been meant to be."""
    members = [kinds.load("source", name) for name in kinds.names("source")]
    asked = (member.suggest(text) for member in members if hasattr(member, "suggest"))
    return [source for source in asked if source]


def _check_task(model: Model) -> None:
    task = kinds.load("task", model.task)
    task.Options.from_dict(model.options, f"models.{model.name}.options", SpecError)


def _check_target(target: Target) -> None:
    kinds.load("target", target.kind).Options.from_dict(
        target.options, f"pins.{target.name}", SpecError
    )


def _check_imports(params: Params) -> None:
    """Members of the user's own name the distributions that decide their results."""
    used = {("precision", name) for name in params.precisions}
    for model in params.models.values():
        used |= {("format", model.format), ("task", model.task)}
        used |= {("metric", name) for name in model.metrics}
    own = [member for member in sorted(used) if kinds.is_own(kinds.file(*member))]
    lines = [line for member in own for line in imports.unnamed(*member)]
    if lines:
        raise SpecError("\n".join(lines))


def _check_options(params: Params, variant: Variant) -> None:
    precision = kinds.load("precision", variant.precision)
    recipe = f"precisions.{variant.precision}"
    precision.Options.from_dict(params.precisions[variant.precision], recipe, SpecError)
    precision.Options.from_dict(
        params.options(variant), f"variants.{variant.name}.quantize", SpecError
    )


def _said(check: Callable[..., object], *args: object, where: str) -> str:
    """The message of the SpecError that a check raises, or nothing."""
    try:
        check(*args)
    except SpecError as e:
        return f"{where}: {e}" if where and not str(e).startswith(where) else str(e)
    return ""
