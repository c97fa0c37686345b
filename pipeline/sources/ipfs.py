"""`ipfs:CID`: a folder on IPFS, from whoever has its blocks.

OVPIPE_GATEWAYS lists whom to ask, as `ovpipe pull --from` takes them, separated by commas. Only the
blocks of wanted files are transferred, and of the others at most the first. Every block is checked
against the CID, so the origin need not state a hash; blocks that came wait in .work/pull/<CID>/ for
another try until all are there.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import ContentError, SpecError
from pipeline.host import progress
from pipeline.host.walls import Access
from pipeline.http import Deadline
from pipeline.ipfs import unixfs
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.gateway import VARIABLE, Blocks, Store, usual_sources
from pipeline.layout import Layout
from pipeline.sources import Origin

DEADLINE_S = 3600.0

PINNED = True


def check(location: str) -> None:
    """Want a CID.

    Raises:
        SpecError: the location is something else.
    """
    try:
        Cid.parse(location)
    except ContentError as e:
        raise SpecError(f"'ipfs:{location}': want ipfs:CID: {e}") from e


def suggest(text: str) -> str | None:
    """A CID."""
    try:
        check(text)
    except SpecError:
        return None
    return f"ipfs:{text}"


def fingerprint(location: str, wanted: Callable[[str], bool], sha256: Callable[[Path], str]) -> str:
    """The CID."""
    return location


def access(location: str) -> Access:
    """The network, the CARs among those who are asked, and where blocks wait."""
    waiting = _kept(Cid.parse(location)).parent.absolute()
    waiting.mkdir(parents=True, exist_ok=True)
    cars = [Path(name.strip()) for name in os.environ.get(VARIABLE, "").split(",")]
    return Access(
        reads=tuple(car.absolute() for car in cars if car.is_file()),
        writes=(waiting,),
        network=True,
        environment=(VARIABLE,),
    )


def fetch(location: str, wanted: Callable[[str], bool], out: Path) -> Origin:
    """Write the wanted files of the folder.

    Raises:
        TransferError: no server gives a block; the message has the reason of each.
        ContentError: what the CID names is no folder or file.
    """
    root = Cid.parse(location)
    kept = _kept(root)
    with Blocks(
        root, usual_sources(), Store(kept), Deadline(DEADLINE_S), cars=False, notify=progress.note
    ) as blocks:
        files = [f for f in unixfs.list_files(root, blocks.read) if wanted(f.path)]
        with progress.bar(sum(f.size_bytes for f in files), f"ipfs:{location}", "B") as bar:
            for file in files:
                (out / file.path).parent.mkdir(parents=True, exist_ok=True)
                unixfs.export(file.cid, blocks.read, out / file.path)
                bar.update(file.size_bytes)
    shutil.rmtree(kept, ignore_errors=True)
    return Origin(revision=str(root), license=None, sha256={})


def _kept(root: Cid) -> Path:
    """Where blocks wait for another try."""
    return Layout().work / "pull" / str(root)
