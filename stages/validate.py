"""validate@variant."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@stage
def main(variant: str) -> None:
    """Measure VARIANT against the original model."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import validate

    layout = Layout()
    params = check.load(layout.params)
    validate.validate(params, params.variant(variant), layout)


if __name__ == "__main__":
    main()
