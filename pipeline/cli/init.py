"""ovpipe init."""

from pathlib import Path
from shlex import quote

import click

from pipeline.host.terminal import command as fails_in_one_line


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--update",
    is_flag=True,
    help="Only bring dvc.yaml to this version; what was there is kept as dvc.yaml.before.",
)
@fails_in_one_line
def command(folder: Path, update: bool) -> None:
    """Make DIR, or this folder, a project of your own, with a params.yaml to start from.

    It becomes a git and a DVC repository, unless it is in one. Nothing that is there is
    overwritten.
    """
    from pipeline.steps import init

    for line in (init.update if update else init.init)(folder):
        click.echo(line)
    there = "" if folder == Path() else f"cd {quote(str(folder))} && "
    click.echo(f"next: {there}ovpipe check && ovpipe build")
