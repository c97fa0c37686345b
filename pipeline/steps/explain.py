"""explain: which layers of a quantized variant lose most, and the ignored scope that helps.

Looked at is what the variant's networks make of validation inputs, without labels, beside what the
exported ones make of them: a range that calibration found too narrow shows only on inputs that it
did not see. What is suggested is quantized anew, and measured as `validate` does.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from pipeline import kinds, refusal
from pipeline.errors import RefusedError, SpecError
from pipeline.evidence import Accuracy, Execution
from pipeline.host import atomic, sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.networks import ir, samples, weights
from pipeline.networks.layers import Layers
from pipeline.networks.tensors import Tensors
from pipeline.provenance import Quantized
from pipeline.record import Record
from pipeline.spec import Params, Variant
from pipeline.steps import _trials, quantize, validate
from pipeline.steps._trials import Trials

MEASURED = "f32"  # the execution that shows what quantization alone loses


class Lossy(Record):
    """A layer and what it costs.

    Args:
        error_in, error_out: how far what it computes with, and what it gives, is off: the root of
            the squared difference over the original's square.
        share: of the squared error of the outputs, what goes when this layer alone is restored.
        together: the same with all suggested layers before it; None if it is not suggested.
        weight_bytes: of its weights, left as floats of 32 bits.
    """

    layer: str
    type: str
    error_in: float
    error_out: float
    share: float
    together: float | None
    weight_bytes: int


class Lost(Record):
    """What a network lost.

    Args:
        inputs: how many it was fed.
        error: of its outputs, on validation inputs; as of `Lossy`.
        calibrated_error: on as many calibration inputs; None if it was not calibrated.
        layers: how many were quantized, and `tried` of them alone.
        worst: those with the largest shares, largest first.
    """

    inputs: int
    error: float
    calibrated_error: float | None
    layers: int
    tried: int
    worst: tuple[Lossy, ...]


class Checked(Record):
    """The variant as it is and with the suggestion, by metric, and the bytes of its folder."""

    before: dict[str, float]
    after: dict[str, float]
    bytes_before: int
    bytes_after: int


class Explained(Record):
    """What was found out about a variant.

    Args:
        ignores: whether its precision has an ignored scope.
        quantize: the variant's entry `quantize` with the suggestion; None if there is none.
        checked: what came of it; None if it was not tried.
    """

    variant: str
    precision: str
    networks: dict[str, Lost]
    ignores: bool
    quantize: dict[str, JsonValue] | None
    checked: Checked | None


def explain(
    params: Params,
    variant: Variant,
    layout: Layout,
    *,
    inputs: int,
    leave: int | None = None,
    is_checked: bool = True,
) -> Explained:
    """Find the layers that lose most, and try what leaving them as they were gives back.

    Args:
        params: what the project builds.
        variant: one that is built.
        layout: of the project.
        inputs: how many validation inputs to look at, taken evenly from all.
        leave: how many layers of each network to suggest; by default those that stand out.
        is_checked: whether the suggestion is quantized and validated.

    Raises:
        SpecError: the variant is not built, or not as params.yaml has it, or not quantized.
        RefusedError: it was refused before there was an artifact.
        PrecisionError: what is suggested cannot be had at that precision.
    """
    precision = kinds.load("precision", variant.precision)
    scope = _ignored(params, variant, layout, precision)
    with atomic.building(layout.work, f"explain/{variant.name}") as scratch:
        networks = _measured(params, variant, layout, scratch, (inputs, leave, scope is not None))
        if scope is not None and not any(lost.layers for lost in networks.values()):
            raise SpecError(f"variant {variant.name!r}: nothing in it was quantized here")
        suggested = [one.layer for lost in networks.values() for one in lost.worst if one.together]
        entry = _entry(variant, scope, suggested) if scope is not None and suggested else None
        checked = (
            _checked(params, variant, layout, scratch, entry) if entry and is_checked else None
        )
    return Explained(
        variant=variant.name,
        precision=variant.precision,
        networks=networks,
        ignores=scope is not None,
        quantize=entry,
        checked=checked,
    )


def _ignored(
    params: Params, variant: Variant, layout: Layout, precision: Any
) -> weights.IgnoredScope | None:
    """What the variant, which must be there, leaves as it is; None if its precision cannot."""
    if precision.BITS == 32:
        raise SpecError(f"variant {variant.name!r}: {variant.precision} quantizes nothing")
    if refused := refusal.read(layout.ir(variant.name)):
        raise RefusedError(f"variant {variant.name!r}: there is no artifact: {refused}")
    needed = (
        layout.ir(variant.name),
        layout.provenance(variant.name),
        layout.export(variant.model),
    )
    for path in (*needed, layout.reference(variant.model)):
        if not path.exists():
            raise SpecError(f"variant {variant.name!r}: {path}: not there: run `ovpipe build`")
    options = precision.Options.from_dict(params.options(variant)).to_dict()
    built = Quantized.read(layout.provenance(variant.name))
    if (built.precision, built.options) != (variant.precision, options):
        raise SpecError(
            f"variant {variant.name!r}: was built as {built.precision} {built.options}, and "
            f"params.yaml has {variant.precision} {options}: run `ovpipe build`"
        )
    found = options.get("ignored_scope")
    return None if found is None else weights.IgnoredScope(**found)


def _measured(
    params: Params,
    variant: Variant,
    layout: Layout,
    scratch: Path,
    asked: tuple[int, int | None, bool],
) -> dict[str, Lost]:
    """What each network lost, found out in a child."""
    needs_calibration = kinds.load("precision", variant.precision).NEEDS_CALIBRATION
    exported, folder = layout.export(variant.model).resolve(), layout.ir(variant.name).resolve()
    seen = [layout.reference(variant.model).resolve() / samples.INPUTS]
    if needs_calibration:
        seen.append(layout.calibration(variant.model).resolve() / samples.INPUTS)
    return sandbox.run(
        "pipeline.steps.explain:measure",
        exported,
        folder,
        seen,
        *asked,
        returns=dict[str, Lost],
        scratch=scratch,
        log=layout.log(f"explain-{variant.name}"),
        access=Access(reads=(exported, folder, *seen)),
        limits=params.model(variant.model).limits,
    )


def measure(
    exported: Path,
    folder: Path,
    seen: Sequence[Path],
    count: int,
    leave: int | None,
    is_tried: bool,
) -> dict[str, Any]:
    """In a child: what each network lost.

    Args:
        exported: the IR folder that was quantized.
        folder: what became of it.
        seen: the files of validation and, if there are, of calibration inputs.
        count: of inputs of each that are looked at.
        leave: as of `explain`.
        is_tried: whether layers are restored.
    """
    fed = [_fed(exported, path, count) for path in seen]
    return {
        network: _lost(exported, folder, network, [each[network] for each in fed], leave, is_tried)
        for network in ir.networks(folder)
    }


def _fed(exported: Path, path: Path, count: int) -> Mapping[str, Sequence[Tensors]]:
    """What each network is fed of some inputs, taken evenly from a file."""
    found = samples.load(path)
    chosen = found[:: max(len(found) // count, 1)][:count]
    inputs = Path(tempfile.mkdtemp()) / samples.INPUTS
    samples.save(chosen, inputs)
    return quantize.Calibration(exported, inputs).seen(count)


def _lost(
    exported: Path,
    folder: Path,
    network: str,
    fed: Sequence[Sequence[Tensors]],
    leave: int | None,
    is_tried: bool,
) -> dict[str, Any]:
    original, quantized = ir.read(exported, network), ir.read(folder, network)
    weights.widen(original)
    layers = Layers(original, quantized)
    trials, *calibrated = [Trials(layers, original, quantized, inputs) for inputs in fed]
    shares = trials.shares() if is_tried and trials.error else {}
    if leave is None:
        together = _trials.worth_leaving(trials.gain, shares, most=len(layers.found) // 2)
    else:
        first = _trials.worst(shares, leave)
        together = {name: trials.gain(first[: n + 1]) for n, name in enumerate(first)}
    seen = trials.seen() if shares else {}
    known = {layer.name: layer for layer in layers.found}
    shown = _trials.worst(shares, max(_trials.SHOWN, leave or 0))
    return Lost(
        inputs=len(fed[0]),
        error=trials.error**0.5,
        calibrated_error=calibrated[0].error ** 0.5 if calibrated else None,
        layers=len(known),
        tried=len(shares),
        worst=tuple(
            Lossy(
                layer=name,
                type=known[name].type,
                error_in=seen[name].fed,
                error_out=seen[name].gives,
                share=shares[name],
                together=together.get(name),
                weight_bytes=known[name].weight_bytes,
            )
            for name in shown
        ),
    ).to_dict()


def _entry(
    variant: Variant, scope: weights.IgnoredScope, suggested: Sequence[str]
) -> dict[str, JsonValue]:
    """The variant's entry `quantize` with further layers in its ignored scope."""
    names = [*scope.names, *(name for name in suggested if name not in scope.names)]
    whole = {kind: given for kind, given in scope.to_dict().items() if given}
    return {**variant.quantize, "ignored_scope": {**whole, "names": names}}


def _checked(
    params: Params, variant: Variant, layout: Layout, scratch: Path, entry: dict[str, JsonValue]
) -> Checked:
    """What the suggestion comes to, as `quantize` and `validate` would have it."""
    log = layout.log(f"explain-{variant.name}")
    changed = variant.model_copy(update={"quantize": entry})
    made = atomic.folder(scratch / "made")
    quantize.run(params, changed, layout, made, log)
    measured = validate.run(params, variant, layout, made / "ir", scratch, log)
    executions = [Execution.from_dict(given) for given in measured["executions"]]
    before = Accuracy.read(layout.accuracy(variant.name)).executions
    return Checked(
        before=_figures(before),
        after=_figures(executions),
        bytes_before=_size(layout.ir(variant.name)),
        bytes_after=_size(made / "ir"),
    )


def _figures(executions: Sequence[Execution]) -> dict[str, float]:
    found = next(execution for execution in executions if execution.requested == MEASURED)
    return {figure.metric: figure.value for figure in found.figures if figure.part is None}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
