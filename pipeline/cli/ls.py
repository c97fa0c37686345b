"""ovpipe ls."""

from pathlib import Path

import click

from pipeline.cli._answers import Answer, answers


@click.command("ls")
@click.argument("car", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@answers
def command(car: Path) -> Answer:
    """List size, CID and path of every file in CAR, after checking all its blocks."""
    from pipeline.host import progress
    from pipeline.ipfs import unixfs
    from pipeline.ipfs.car import CarFile
    from pipeline.ipfs.cid import Cid

    with car.open("rb") as file, progress.bar(car.stat().st_size, str(car), "B") as bar:
        archive = CarFile(file)
        root = archive.only_root(None)

        def read(cid: Cid) -> bytes:
            block = archive.read(cid)
            bar.update(len(block))
            return block

        files = list(unixfs.list_files(root, read, content=True))
        archive.check_unread()
    fields = {
        "root": str(root),
        "size_bytes": sum(f.size_bytes for f in files),
        "files": [{"path": f.path, "size_bytes": f.size_bytes, "cid": str(f.cid)} for f in files],
    }
    lines = [f"{f.size_bytes:>14}  {f.cid}  {_shown(f.path)}" for f in files]
    return Answer(fields, "\n".join([str(root), *lines]))


def _shown(path: str) -> str:
    """A name from outside, with what a terminal would obey made visible."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in path)
