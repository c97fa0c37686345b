"""pull: the file or folder that a CID names, from anywhere, whole or not at all.

    verify(pull(cid, out)) holds, whoever the blocks came from.

What was verified waits in `<out>.partial/` until everything is there, and the next pull to the same
place goes on with it; so there must be room for the content twice.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import (
    ContentError,
    LockedError,
    MissingBlockError,
    PipelineError,
    TransferError,
)
from pipeline.host import atomic, progress
from pipeline.http import Deadline
from pipeline.ipfs import dagpb, unixfs
from pipeline.ipfs.cid import DAG_PB, Cid
from pipeline.ipfs.gateway import Blocks, Source, Store
from pipeline.ipfs.identity import matching
from pipeline.ipfs.unixfs import DEFAULT_BUDGET, Budget, GetBlock
from pipeline.record import Record


class Pulled(Record):
    """A file or folder that is here now.

    Args:
        fetched_bytes: of blocks that servers gave this time; the rest was here before.
    """

    path: str
    cid: str
    size_bytes: int
    fetched_bytes: int


def pull(
    cid: Cid,
    out: Path,
    sources: Iterable[Source],
    *,
    deadline_s: float = 3600.0,
    budget: Budget = DEFAULT_BUDGET,
    notify: Callable[[str], None] = progress.note,
) -> Pulled:
    """Write what a CID names to `out`; nothing is done if it is there already.

    Args:
        cid: a file or folder.
        out: where to.
        sources: servers and CARs that may have blocks of it.
        deadline_s: how long the servers may take together.
        budget: what it may cost.
        notify: is told in one line of each failure on the way.

    Raises:
        ContentError: `out` is something else, or the DAG is malformed.
        TransferError: no server gives a block; the message has the reason of each.
        MissingBlockError: no CAR has a block, and there is no server.
        LockedError: another process pulls to the same place.
    """
    if os.path.lexists(out):
        return _already(cid, out)
    partial = out.with_name(f"{out.name}.partial")
    store = Store(partial / "blocks")
    with (
        _kept_on_failure(partial, store),
        atomic.building(partial, out.name, wait_s=0) as scratch,
        Blocks(cid, sources, store, Deadline(deadline_s), budget=budget, notify=notify) as blocks,
        _counted(cid, blocks.read, out.name) as read,
    ):
        unixfs.export(cid, read, scratch / "built", budget)
        atomic.publish(scratch / "built", out, replace=False)
    _clear(partial)
    return Pulled(
        path=str(out), cid=str(cid), size_bytes=_size_bytes(out), fetched_bytes=blocks.fetched_bytes
    )


def _already(cid: Cid, out: Path) -> Pulled:
    try:
        dag = matching(out, cid)
    except ContentError as e:
        raise ContentError(f"{out} exists already and is something else: {e}") from e
    return Pulled(path=str(out), cid=str(cid), size_bytes=dag.size_bytes, fetched_bytes=0)


@contextmanager
def _kept_on_failure(partial: Path, store: Store) -> Iterator[None]:
    """Say what a next try will find, or leave nothing if it will find nothing."""
    try:
        yield
    except LockedError:
        raise
    except (TransferError, MissingBlockError) as e:
        kept_bytes = store.size_bytes()
        if kept_bytes:
            again = f"{kept_bytes} bytes are verified and wait in {partial} for another try"
            raise type(e)(f"{e}; {again}") from e
        _clear(partial)
        raise
    except PipelineError:
        _clear(partial)
        raise


def _clear(partial: Path) -> None:
    """Remove what a pull has put there, and the folder if nothing else is in it."""
    for name in ("blocks", "lock", "scratch"):
        shutil.rmtree(partial / name, ignore_errors=True)
    with suppress(OSError):
        partial.rmdir()


@contextmanager
def _counted(root: Cid, read: GetBlock, label: str) -> Iterator[GetBlock]:
    """The same blocks, with a bar that counts their bytes."""
    with progress.bar(None, label, "B") as bar:

        def read_and_count(cid: Cid) -> bytes:
            block = read(cid)
            if cid == root:
                bar.total = _total_bytes(cid, block)
            bar.update(len(block))
            return block

        yield read_and_count


def _total_bytes(root: Cid, block: bytes) -> int:
    """Bytes of all blocks, as the root states them; good enough for a bar."""
    links = dagpb.decode(block)[0] if root.codec == DAG_PB else ()
    return len(block) + sum(link.tsize or 0 for link in links)


def _size_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)
