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
    exported = export.export(check.load(layout.params).model(model), layout)
    for note in exported.notes:
        click.echo(f"note: {note}", err=True)
    for path in exported.removed:
        click.echo(f"note: leads out of the repository, left out: {path}", err=True)


if __name__ == "__main__":
    main()
