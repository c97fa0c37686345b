"""calibration@model."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Make the inputs that quantization of MODEL may look at."""
    from pipeline import calibration, spec
    from pipeline.layout import Layout

    layout = Layout()
    calibration.calibration(spec.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
