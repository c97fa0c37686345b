"""reference@model."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Run the original MODEL over its validation inputs."""
    from pipeline import reference, spec
    from pipeline.layout import Layout

    layout = Layout()
    reference.reference(spec.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
