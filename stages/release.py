"""release: the build fails here, after everything else is there."""

import click

from pipeline.terminal import stage


@click.command()
@stage
def main() -> None:
    """Exit with 1, after showing the catalog, and name every refusal in it."""
    from pipeline.catalog import Catalog, release
    from pipeline.layout import Layout
    from pipeline.report import table

    listed = Catalog.read(Layout().catalog)
    if listed.refusals:
        click.echo(table(listed))
    release(listed)


if __name__ == "__main__":
    main()
