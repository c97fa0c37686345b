"""reference@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Run the original MODEL over its validation inputs."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import reference

    layout = Layout()
    reference.reference(check.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
