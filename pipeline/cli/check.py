"""ovpipe check."""

import click

from pipeline.host.terminal import command as fails_in_one_line


@click.command("check")
@fails_in_one_line
def command() -> None:
    """Check params.yaml, and the files that it names, without running anything."""
    from pipeline import check, forecast
    from pipeline.errors import SpecError
    from pipeline.layout import Layout

    params = check.load(Layout().params)
    if problems := forecast.problems(params, Layout()):
        raise SpecError("\n".join(problems))
    counted = {
        "model": len(params.models),
        "variant": len(params.variants),
        "device": len(params.devices),
        "benchmark": len(params.cells),
    }
    parts = (f"{count} {noun}{'s' * (count != 1)}" for noun, count in counted.items())
    click.echo(f"params.yaml: {', '.join(parts)}")
