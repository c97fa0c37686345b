"""calibration@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Make the inputs that quantization of MODEL may look at."""
    from pipeline.steps import _cell, calibration

    _cell.of_model("calibration", model, calibration.calibration)


if __name__ == "__main__":
    main()
