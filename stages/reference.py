"""reference@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Run the original MODEL over its validation inputs."""
    from pipeline.steps import _cell, reference

    _cell.of_model("reference", model, reference.reference)


if __name__ == "__main__":
    main()
