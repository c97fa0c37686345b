"""ovpipe explain."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import Answer, answers

if TYPE_CHECKING:
    from pipeline.steps.explain import Checked, Explained, Lost

_LITTLE = 0.01  # a relative error of the outputs under which there is little to gain
_UNSEEN = 1.5  # times the error on calibration inputs, from which ranges are too narrow
_HEADER = ("layer", "type", "error in", "error out", "share", "together", "fp32 kB")


@click.command("explain")
@click.argument("variant")
@click.option(
    "--inputs",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="How many validation inputs to look at.",
)
@click.option(
    "--leave",
    type=click.IntRange(min=1),
    help="Suggest so many layers of each network; by default those that stand out.",
)
@click.option("--check/--no-check", default=True, help="Quantize and validate what is suggested.")
@answers
def command(variant: str, inputs: int, leave: int | None, check: bool) -> Answer:
    """Say which layers VARIANT loses most in, and the ignored_scope that brings it back.

    Each layer is put back to fp32 alone, in the quantized network, to see what of the outputs'
    error goes with it. What is suggested is quantized anew and validated; nothing of the project
    is changed.
    """
    from pipeline import check as checking
    from pipeline.layout import Layout
    from pipeline.steps.explain import explain

    layout = Layout()
    params = checking.load(layout.params)
    found = explain(
        params, params.variant(variant), layout, inputs=inputs, leave=leave, is_checked=check
    )
    return Answer(found.to_dict(), "\n".join(lines(found)))


def lines(found: "Explained") -> Iterator[str]:
    """What was found out, for a terminal."""
    yield f"{found.variant}, against the exported network at f32:"
    for network, lost in found.networks.items():
        yield from _of_network(network, lost)
    if not found.ignores:
        yield f"{found.precision} has no ignored_scope"
    elif found.quantize is None:
        yield "no layer stands out: another recipe gives back more than leaving layers out"
    else:
        yield from ("", f"for variants.{found.variant}:", f"  quantize: {_flow(found.quantize)}")
    if found.checked:
        yield from ("", "quantized anew with that, on the validation data at f32:")
        yield from _comparison(found.checked)


def _of_network(network: str, lost: "Lost") -> Iterator[str]:
    tried = f"; {lost.tried} of {lost.layers} layers tried" if lost.tried else ""
    yield f"{network}: outputs are off by {lost.error:.2%} on {lost.inputs} inputs{tried}"
    if lost.error < _LITTLE:
        yield "  that is little to gain"
    calibrated = lost.calibrated_error
    if calibrated is not None and lost.error > _UNSEEN * max(calibrated, _LITTLE):
        yield (
            f"  on calibration inputs by {calibrated:.2%}: ranges do not hold for others: "
            "more calibration inputs may do as well"
        )
    if lost.worst:
        yield from _table(lost)


def _table(lost: "Lost") -> Iterator[str]:
    rows = [
        (
            one.layer,
            one.type,
            f"{one.error_in:.2%}",
            f"{one.error_out:.2%}",
            f"{one.share:.1%}",
            "" if one.together is None else f"{one.together:.1%}",
            f"{one.weight_bytes / 1e3:.1f}",
        )
        for one in lost.worst
    ]
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
    for row in (_HEADER, *rows):
        cells = [
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()


def _comparison(checked: "Checked") -> Iterator[str]:
    rows = [
        *(
            (name, f"{checked.before[name]:.6g}", f"{after:.6g}")
            for name, after in checked.after.items()
        ),
        (
            "folder",
            *(f"{size / 1e6:.1f} MB" for size in (checked.bytes_before, checked.bytes_after)),
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, before, after in rows:
        yield f"  {name.ljust(widths[0])}  {before.rjust(widths[1])} -> {after}"


def _flow(value: object) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(given)}' for key, given in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return json.dumps(value, ensure_ascii=False)
