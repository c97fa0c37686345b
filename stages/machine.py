"""machine: the toolchain and the host, written down before anything depends on them."""

import click

from pipeline.host.terminal import stage


@click.command()
@stage
def main() -> None:
    """Write what of this machine decides bytes and measurements."""
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps import machine

    layout = Layout()
    machine.machine(check.load(layout.params), layout)


if __name__ == "__main__":
    main()
