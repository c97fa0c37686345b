"""quantize@variant."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Write VARIANT: its model at its precision."""
    from pipeline.steps import _cell, quantize

    _cell.of_variant("quantize", variant, quantize.quantize)


if __name__ == "__main__":
    main()
