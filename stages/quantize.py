"""quantize@variant."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Write VARIANT: its model at its precision."""
    from pipeline import quantize, spec
    from pipeline.layout import Layout

    layout = Layout()
    params = spec.load(layout.params)
    quantize.quantize(params, params.variant(variant), layout)


if __name__ == "__main__":
    main()
