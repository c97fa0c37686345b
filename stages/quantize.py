"""quantize@variant."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Write VARIANT: its model at its precision."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import quantize

    layout = Layout()
    params = check.load(layout.params)
    quantize.quantize(params, params.variant(variant), layout)


if __name__ == "__main__":
    main()
