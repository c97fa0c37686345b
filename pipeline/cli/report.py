"""ovpipe report."""

import click

from pipeline.host.terminal import command as fails_in_one_line


@click.command("report")
@fails_in_one_line
def command() -> None:
    """Print the catalog of the last `dvc repro`: artifacts, figures, refusals."""
    from pipeline.layout import Layout
    from pipeline.report.table import table
    from pipeline.steps.catalog import Catalog

    click.echo(table(Catalog.read(Layout().catalog)), nl=False)
