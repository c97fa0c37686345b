"""benchmark@variant-device."""

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@click.argument("device")
@stage
def main(variant: str, device: str) -> None:
    """Measure VARIANT on DEVICE against the original model, in turns."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import benchmark

    layout = Layout()
    params = check.load(layout.params)
    benchmark.benchmark(params, params.variant(variant), device, layout)


if __name__ == "__main__":
    main()
