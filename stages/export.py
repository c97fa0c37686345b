"""export@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Export MODEL to OpenVINO IR at its own dtype."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import export

    layout = Layout()
    for note in export.export(check.load(layout.params).model(model), layout):
        click.echo(f"note: {note}", err=True)


if __name__ == "__main__":
    main()
