"""params.yaml against the families: every name means something, every option is known.

It is all that can be known before anything runs; the library's declarations are loaded for it, and
none of the libraries that they call.
"""

import re
from collections.abc import Callable
from pathlib import Path

from pipeline import bounds, imports, kinds, spec
from pipeline.errors import SpecError
from pipeline.spec import Model, Params, Target, Variant

DEVICES = ("CPU", "GPU", "NPU", "AUTO")


def load(path: Path) -> Params:
    """The checked contents of a params.yaml.

    Raises:
        SpecError: one line per problem, each with the key, the value and what would be right.
    """
    params = spec.read(path)
    problems = [line for line in _problems(params) if line]
    if problems:
        raise SpecError("\n".join(problems))
    return params


def _problems(params: Params) -> list[str]:
    """One line per problem, and empty ones."""
    if lines := kinds.misplaced():
        return lines
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
    lines.append(_said(_check_imports, params, where=""))
    for model in params.models.values():
        lines.append(_said(_check_sizes, params, model, where=""))
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
    if lines:
        return lines
    lines.append(_misnamed(variant))
    lines.append(_said(bounds.of, params, variant, where=""))
    lines.append(_said(_check_options, params, variant, where=""))
    return lines


def _misnamed(variant: Variant) -> str:
    """A variant's name may carry a precision only if it is the variant's own."""
    for precision in sorted(kinds.names("precision"), key=len, reverse=True):
        spelt = precision.replace("_", "[-_]")  # a hyphen is as good
        if re.search(rf"(^|[-_]){spelt}($|[-_])", variant.name):
            if re.fullmatch(spelt, variant.precision):
                return ""
            return (
                f"variants.{variant.name}.precision: {variant.precision!r}: the name says "
                f"{precision}; rename the variant or give it that precision"
            )
    return ""


def _check_source(model: Model) -> None:
    if not model.source_location:
        raise SpecError(f"{model.source!r}: want KIND:LOCATION, as package:NAME/FOLDER")
    kinds.load("source", model.source_kind).check(model.source_location)


def _check_task(model: Model) -> None:
    task = kinds.load("task", model.task)
    task.Options.from_dict(model.options, f"models.{model.name}.options", SpecError)


def _check_sizes(params: Params, model: Model) -> None:
    sizes = kinds.load("task", model.task).Sizes
    where = f"models.{model.name}.sizes" if model.sizes else "benchmark.sizes"
    for index, wanted in enumerate(params.sizes(model)):
        sizes.from_dict(wanted, f"{where}.{index}", SpecError)


def _check_target(target: Target) -> None:
    kinds.load("target", target.kind).Options.from_dict(
        target.options, f"pins.{target.name}", SpecError
    )


def _check_imports(params: Params) -> None:
    """Members of the user's own name the distributions that decide their results."""
    used = {("precision", name) for name in params.precisions}
    for model in params.models.values():
        used |= {("format", model.format), ("task", model.task)}
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
