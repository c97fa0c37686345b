"""release: the build fails here, after everything else is there."""

import click

from pipeline.host.terminal import stage


@click.command()
@stage
def main() -> None:
    """Exit with 1, after showing the catalog, and name every refusal in it."""
    from pipeline.layout import Layout
    from pipeline.report.table import table
    from pipeline.steps.catalog import Catalog
    from pipeline.steps.release import release

    listed = Catalog.read(Layout().catalog)
    if listed.refusals:
        click.echo(table(listed))
    release(listed)


if __name__ == "__main__":
    main()
