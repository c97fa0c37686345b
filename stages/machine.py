"""machine: the toolchain and the host, written down before anything depends on them."""

import click

from pipeline.terminal import stage


@click.command()
@stage
def main() -> None:
    """Write what of this machine decides bytes and measurements."""
    from pipeline import machine, spec
    from pipeline.layout import Layout

    layout = Layout()
    machine.machine(spec.load(layout.params), layout)


if __name__ == "__main__":
    main()
