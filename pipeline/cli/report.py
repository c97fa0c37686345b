"""ovpipe report."""

import click

from pipeline.terminal import command as fails_in_one_line


@click.command("report")
@fails_in_one_line
def command() -> None:
    """Print the catalog of the last `dvc repro`: artifacts, figures, refusals."""
    from pipeline.catalog import Catalog
    from pipeline.layout import Layout
    from pipeline.report import table

    click.echo(table(Catalog.read(Layout().catalog)), nl=False)
