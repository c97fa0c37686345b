"""ovpipe doctor."""

import click

from pipeline.host.terminal import command as fails_in_one_line


@click.command("doctor")
@fails_in_one_line
def command() -> None:
    """Say what this machine offers: devices, memory, and the walls around child processes."""
    from pipeline.layout import Layout
    from pipeline.steps import doctor

    found = doctor.examine(Layout())
    for label, line in found.lines():
        click.echo(f"{label:<10}{line}")
