"""ovpipe: the commands a person types that are not stages."""

import click

from pipeline.terminal import command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="openvino-ipfs-pipeline")
def main() -> None:
    """Models as verified, content-addressed OpenVINO IR. `dvc repro` builds; this does the rest."""


@main.command()
@command
def check() -> None:
    """Check params.yaml without running anything."""
    from pipeline import spec
    from pipeline.layout import Layout

    params = spec.load(Layout().params)
    click.echo(
        f"params.yaml: {len(params.models)} models, {len(params.variants)} variants, "
        f"{len(params.devices)} devices, {len(params.cells)} benchmarks"
    )


@main.command()
@command
def report() -> None:
    """Print the catalog of the last `dvc repro`: artifacts, figures, refusals."""
    from pipeline.catalog import Catalog
    from pipeline.layout import Layout
    from pipeline.report import table

    click.echo(table(Catalog.read(Layout().catalog)), nl=False)
