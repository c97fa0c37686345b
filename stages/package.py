"""package@variant."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Give VARIANT its CID, or refuse it."""
    from pipeline.steps import _cell, package

    _cell.of_variant("package", variant, package.package)


if __name__ == "__main__":
    main()
