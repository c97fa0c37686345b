"""release: the build fails here, after everything else is there."""

import click

from pipeline.terminal import stage


@click.command()
@stage
def main() -> None:
    """Exit with 1 and name every refusal of the catalog."""
    from pipeline.catalog import Catalog, release
    from pipeline.layout import Layout

    release(Catalog.read(Layout().catalog))


if __name__ == "__main__":
    main()
