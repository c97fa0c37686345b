"""export@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Export MODEL to OpenVINO IR at its own dtype."""
    from pipeline.steps import _cell, export

    _cell.of_model("export", model, export.export)


if __name__ == "__main__":
    main()
