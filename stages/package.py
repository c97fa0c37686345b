"""package@variant."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Give VARIANT its CID, or refuse it."""
    from pipeline import package, spec
    from pipeline.layout import Layout

    layout = Layout()
    params = spec.load(layout.params)
    package.package(params, params.variant(variant), layout)


if __name__ == "__main__":
    main()
