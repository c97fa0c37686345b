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
        "model": params.models,
        "variant": params.variants,
        "device": params.devices,
        "benchmark": params.cells,
    }
    parts = (f"{len(all_)} {noun}{'s' * (len(all_) != 1)}" for noun, all_ in counted.items())
    click.echo(f"params.yaml: {', '.join(parts)}")
