"""The blocks of one DAG, from what was kept, CARs on disk and servers, in this order.

A CAR on disk that is damaged is an error; a server that fails is not, as long as another one, or
the same one a little later, gives the block. One that sends wrong bytes is not asked again.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Self

from pipeline.errors import (
    BudgetError,
    ContentError,
    IntegrityError,
    MissingBlockError,
    PipelineError,
    TransferError,
)
from pipeline.http import Deadline
from pipeline.http.backoff import slept, waits
from pipeline.ipfs import dagpb
from pipeline.ipfs.car import CarFile
from pipeline.ipfs.cid import DAG_PB, Cid
from pipeline.ipfs.gateway.remote import Remote
from pipeline.ipfs.gateway.servers import Source
from pipeline.ipfs.gateway.store import Store
from pipeline.ipfs.unixfs import DEFAULT_BUDGET, Budget

TRIES = 7  # of all servers for one block; the waits between them add up to 13 seconds


class Blocks:
    """A source of blocks for `unixfs.export`; open while the `with` lasts.

    Args:
        root: the DAG.
        sources: servers and CARs; of the servers, the one that gave a block last is asked first.
        store: where blocks that came from a server are kept.
        deadline: when everything must be over.
        budget: what may be kept.
        cars: whether servers are asked for CARs; without, only what is read is transferred.
        notify: is told in one line of each failure on the way.

    Attributes:
        fetched_bytes: what came from servers, and was good.
    """

    def __init__(
        self,
        root: Cid,
        sources: Iterable[Source],
        store: Store,
        deadline: Deadline,
        *,
        budget: Budget = DEFAULT_BUDGET,
        cars: bool = True,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._deadline = deadline
        self._budget = budget
        self._notify = notify
        self._wanted = {root.digest}
        self._reasons: dict[str, str] = {}
        self._files: list[CarFile] = []
        self._remotes: list[Remote] = []
        self.fetched_bytes = 0
        with ExitStack() as opened:
            for source in sources:
                if isinstance(source, Path):
                    file = opened.enter_context(source.open("rb"))
                    self._files.append(CarFile(file, budget))
                else:
                    remote = opened.enter_context(Remote(source, deadline, budget, cars=cars))
                    self._remotes.append(remote)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def read(self, cid: Cid) -> bytes:
        """A block; one from a CAR on disk may be damaged, which the exporter finds out.

        Raises:
            MissingBlockError: no CAR has it, and there is no server.
            TransferError: no server gives it; with the reason of each.
        """
        block = self._store.read(cid)
        if block is None:
            block = self._on_disk(cid)
        if block is None:
            block = self._fetch(cid)
        self._want_below(cid, block)
        return block

    def _on_disk(self, cid: Cid) -> bytes | None:
        for file in self._files:
            try:
                return file.read(cid)
            except MissingBlockError:
                continue
        return None

    def _fetch(self, cid: Cid) -> bytes:
        """Ask one server after the other, and again while one of them may still give it."""
        pauses = islice(waits(), TRIES - 1)
        while True:
            again = False
            for remote in tuple(self._remotes):
                if self._is_over():
                    break
                try:
                    block = remote.read(cid, self._accept)
                except MissingBlockError as e:
                    self._failed(remote, e)
                except (IntegrityError, BudgetError) as e:
                    self._failed(remote, e)
                    self._remotes.remove(remote)
                except (TransferError, ContentError) as e:
                    self._failed(remote, e)
                    again = True
                else:
                    self._remotes.remove(remote)
                    self._remotes.insert(0, remote)
                    return block
            pause_s = next(pauses, None)
            if not again or pause_s is None or not slept(pause_s, self._deadline):
                raise self._nowhere(cid)

    def _accept(self, cid: Cid, block: bytes) -> bool:
        """Keep a verified block; whether it is new."""
        if cid.digest not in self._wanted:
            raise ContentError(f"sends block {cid}, to which nothing links")
        self._want_below(cid, block)
        if cid in self._store:
            return False
        self.fetched_bytes += len(block)
        if self.fetched_bytes > self._budget.size_bytes:
            raise BudgetError(f"sends more than the allowed {self._budget.size_bytes} bytes")
        self._store.write(cid, block)
        return True

    def _want_below(self, cid: Cid, block: bytes) -> None:
        """Note what a block links to; one from a CAR on disk is hashed before it is believed."""
        if cid.codec != DAG_PB:
            return
        cid.verify(block)
        self._wanted.update(link.cid.digest for link in dagpb.decode_node(cid, block).links)
        if len(self._wanted) > self._budget.nodes:
            raise BudgetError(f"more than the allowed {self._budget.nodes} nodes")

    def _failed(self, remote: Remote, failure: PipelineError) -> None:
        server, reason = str(remote.server), str(failure)
        if server in self._reasons and time.monotonic() >= self._deadline.ends:
            return  # cut short by the deadline; what the server did before says more
        if remote.server.url not in reason:
            reason = f"{server}: {reason}"
        if reason != self._reasons.get(server):
            self._notify(reason)
        self._reasons[server] = reason

    def _nowhere(self, cid: Cid) -> PipelineError:
        if not self._remotes and not self._reasons:
            return MissingBlockError(f"block {cid} is missing")
        reasons = [*self._reasons.values()]
        if self._is_over():
            reasons.append(f"not done within {self._deadline.seconds:g} s")
        return TransferError(f"block {cid} cannot be had: {'; '.join(reasons)}")

    def _is_over(self) -> bool:
        return time.monotonic() >= self._deadline.ends
