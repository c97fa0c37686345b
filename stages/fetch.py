"""fetch@model."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("model")
@stage
def main(model: str) -> None:
    """Fetch the files of MODEL's pinned revision."""
    from pipeline.steps import _cell, fetch

    _cell.of_model("fetch", model, fetch.fetch)


if __name__ == "__main__":
    main()
