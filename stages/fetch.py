"""fetch@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Fetch the files of MODEL's pinned revision."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import fetch

    layout = Layout()
    fetch.fetch(check.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
