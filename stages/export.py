"""export@model."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Export MODEL to OpenVINO IR at its own dtype."""
    from pipeline import export, spec
    from pipeline.layout import Layout

    layout = Layout()
    export.export(spec.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
