"""validate@variant."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Measure VARIANT against the original model."""
    from pipeline import spec, validate
    from pipeline.layout import Layout

    layout = Layout()
    params = spec.load(layout.params)
    validate.validate(params, params.variant(variant), layout)


if __name__ == "__main__":
    main()
