"""fetch@model."""

import click

from pipeline.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Fetch the files of MODEL's pinned revision."""
    from pipeline import fetch, spec
    from pipeline.layout import Layout

    layout = Layout()
    fetch.fetch(spec.load(layout.params).model(model), layout)


if __name__ == "__main__":
    main()
