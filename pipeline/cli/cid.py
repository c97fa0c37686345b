"""ovpipe cid."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import Answer, answers, hashing, profile_option

if TYPE_CHECKING:
    from pipeline.ipfs.unixfs import Profile


@click.command("cid")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@profile_option
@answers
def command(path: Path, profile: "Profile") -> Answer:
    """Print the CID of the file or folder PATH."""
    from pipeline.ipfs import unixfs
    from pipeline.ipfs.identity import Identity

    with hashing(path) as progress:
        dag = unixfs.import_path(path, profile, progress)
    return Answer(Identity.of(path, dag.root, dag).to_dict(), str(dag.root))
