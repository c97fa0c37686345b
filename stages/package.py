"""package@variant."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Give VARIANT its CID, or refuse it."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import package

    layout = Layout()
    params = check.load(layout.params)
    package.package(params, params.variant(variant), layout)


if __name__ == "__main__":
    main()
