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
    click.echo(
        f"params.yaml: {len(params.models)} models, {len(params.variants)} variants, "
        f"{len(params.devices)} devices, {len(params.cells)} benchmarks"
    )
