"""benchmark@variant-device."""

from functools import partial

import click

from pipeline.host.terminal import stage


@click.command()
@click.argument("variant")
@click.argument("device")
@stage
def main(variant: str, device: str) -> None:
    """Measure VARIANT on DEVICE against the original model, in turns."""
    from pipeline.steps import _cell, benchmark

    work = partial(benchmark.benchmark, device=device)
    _cell.of_variant("benchmark", variant, work, device)


if __name__ == "__main__":
    main()
