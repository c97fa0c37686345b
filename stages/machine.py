"""machine: the plan and the host, written down before anything depends on them."""

import click

from pipeline.host.terminal import stage


@click.command()
@stage
def main() -> None:
    """Write what decides each cell of the grid, and what measurements."""
    from pipeline.layout import Layout
    from pipeline.steps import machine

    machine.machine(Layout())


if __name__ == "__main__":
    main()
