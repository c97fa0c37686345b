"""ovpipe check."""

import click

from pipeline.host.terminal import command as fails_in_one_line


@click.command("check")
@fails_in_one_line
def command() -> None:
    """Check params.yaml without running anything."""
    from pipeline import check
    from pipeline.layout import Layout

    params = check.load(Layout().params)
    click.echo(
        f"params.yaml: {len(params.models)} models, {len(params.variants)} variants, "
        f"{len(params.devices)} devices, {len(params.cells)} benchmarks"
    )
