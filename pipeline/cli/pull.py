"""ovpipe pull."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import CID, Answer, Checked, answers

if TYPE_CHECKING:
    from pipeline.ipfs.cid import Cid
    from pipeline.ipfs.gateway import Source


def _source(text: str) -> "Source":
    from pipeline.ipfs.gateway import find_source

    return find_source(text)


@click.command("pull")
@click.argument("cid", type=CID)
@click.option(
    "--from",
    "sources",
    type=Checked("source", _source),
    multiple=True,
    help="https://HOST, a trustless gateway; kubo:http://HOST:PORT, the RPC of a Kubo node (kubo: "
    "this machine's); or the path of a CAR. May be given several times: CARs are looked into "
    "first, then servers in turn. Without it, the gateways of OVPIPE_GATEWAYS.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Default: CID."
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="When to give up; what is verified by then is kept for the next try.",
)
@answers
def command(
    cid: "Cid", sources: "tuple[Source, ...]", output: Path | None, deadline_s: float
) -> Answer:
    """Get the file or folder that CID names, every byte checked against it.

    It appears whole or not at all. DIR must not exist yet, or already be what CID names. What is in
    the store (OVPIPE_HOME) comes from there, and artifacts are put into it.
    """
    from pipeline.ipfs.gateway import usual_sources
    from pipeline.ipfs.pull import pull
    from pipeline.runtime.store import Store

    store, out = Store.usual(), output or Path(str(cid))
    store.give(cid, out)
    pulled = pull(cid, out, sources or usual_sources(), deadline_s=deadline_s)
    store.take(out, cid)
    return Answer(pulled.to_dict(), f"{pulled.path} is {pulled.cid}")
