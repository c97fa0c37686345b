"""validate@variant."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Measure VARIANT against the original model."""
    from pipeline.steps import _cell, validate

    _cell.of_variant("validate", variant, validate.validate)


if __name__ == "__main__":
    main()
