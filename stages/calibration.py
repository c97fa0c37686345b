"""calibration@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Make the inputs that quantization of MODEL may look at."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import calibration

    layout = Layout()
    calibration.calibration(check.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
