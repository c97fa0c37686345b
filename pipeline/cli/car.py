"""ovpipe car."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import Answer, answers, hashing, named, profile_option

if TYPE_CHECKING:
    from pipeline.ipfs.unixfs import Profile


@click.command("car")
@click.argument("target", metavar="PATH|VARIANT")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE")
@profile_option
@answers
def command(target: str, output: Path, profile: "Profile") -> Answer:
    """Write PATH, or the artifact of VARIANT, to FILE as a CAR, and print its CID.

    The same content gives the same FILE, byte for byte. FILE must not exist yet.
    """
    from pipeline.host import progress
    from pipeline.ipfs import car, unixfs

    path = named(target).path
    with unixfs.whole(output) as built:
        with hashing(path) as hashed:
            dag = unixfs.import_path(path, profile, hashed)
        with (
            built.open("xb") as file,
            progress.bar(car.car_size(dag), str(output), "B") as bar,
        ):
            for piece in car.pieces(dag):
                bar.update(file.write(piece))
    size_bytes = output.stat().st_size
    fields = {"cid": str(dag.root), "path": str(output), "profile": profile.name}
    return Answer({**fields, "car_bytes": size_bytes}, str(dag.root))
