"""One server, asked for CARs first and for single blocks when those do not do.

A CAR is read as far as the block that is wanted next, so it flows as fast as it is used and is
never kept. Each step, from one verified block to the next, has a deadline of its own: a server that
stalls, or repeats itself for ever, is left for another one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Self

from pipeline.errors import MissingBlockError, PipelineError, TransferError
from pipeline.http import Answer, Connections, Deadline
from pipeline.ipfs import car
from pipeline.ipfs.cid import DAG_PB, Cid
from pipeline.ipfs.gateway.servers import Gateway, Kubo, Request
from pipeline.ipfs.unixfs import Budget

PATIENCE_S = 30.0
_CAR_FAILURES = 3  # after which a server is asked for single blocks only
_OVERHEAD_BYTES = 512  # around a block in a CAR: its length, its CID, and the link that leads to it
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # Kubo's RPC says 500 to everything

Accept = Callable[[Cid, bytes], bool]
"""Takes a verified block, says whether it was new; ContentError if it is not wanted."""


class Remote:
    """A server and the connections to it.

    Args:
        server: which.
        deadline: when everything must be over.
        budget: how long an answer may be.
        cars: whether to ask for CARs; without, only what is asked for is transferred.
    """

    def __init__(
        self, server: Gateway | Kubo, deadline: Deadline, budget: Budget, *, cars: bool
    ) -> None:
        self.server = server
        self._deadline = deadline
        self._budget = budget
        self._car_tries = _CAR_FAILURES if cars else 0
        self._connections = Connections(deadline)
        self._car: Iterator[tuple[Cid, bytes]] | None = None
        self._car_exchange = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_car()
        self._connections.close()

    def read(self, cid: Cid, accept: Accept) -> bytes:
        """A block that is wanted, after it was accepted, with whatever comes before it in a CAR.

        Raises:
            MissingBlockError: the server does not have it, or does not give it to us.
            IntegrityError: something came that is not what its CID names.
            BudgetError: something came that is larger than allowed.
            TransferError: the server is busy, slow, or cannot be reached.
            ContentError: what came is no CAR, or has what nobody asked for.
        """
        self._next_step()
        block = self._read_car(cid, accept)
        if block is None and cid.codec == DAG_PB and self._car_tries:
            self._open_car(cid)
            block = self._read_car(cid, accept)
            if block is None:  # it gives no CARs, or some without their root
                self._car_tries = 0
        return self._read_block(cid, accept) if block is None else block

    def _next_step(self) -> None:
        self._connections.deadline = self._deadline.within(PATIENCE_S)

    def _open_car(self, cid: Cid) -> None:
        limit = self._budget.size_bytes + self._budget.nodes * _OVERHEAD_BYTES
        with suppress(MissingBlockError), self._car_failing(), ExitStack() as exchange:
            answer = self._ask(exchange, self.server.car(cid), limit)
            _check(answer, cid)
            self._car = car.blocks(answer.stream(), self._budget)
            self._car_exchange = exchange.pop_all()

    def _read_car(self, cid: Cid, accept: Accept) -> bytes | None:
        """Read on in the open CAR until a block was accepted; None if it ends before."""
        with self._car_failing():
            for found, block in self._car or ():
                if accept(found, block):
                    self._next_step()
                if found.digest == cid.digest:
                    return block
        self._end_car()
        return None

    @contextmanager
    def _car_failing(self) -> Iterator[None]:
        """Count failures: those of the network may pass, what is no good CAR remains so."""
        try:
            yield
        except PipelineError as e:
            self._end_car()
            self._car_tries = self._car_tries - 1 if isinstance(e, TransferError) else 0
            raise

    def _end_car(self) -> None:
        self._car = None
        self._car_exchange.close()

    def _read_block(self, cid: Cid, accept: Accept) -> bytes:
        with ExitStack() as exchange:
            answer = self._ask(exchange, self.server.block(cid), self._budget.block_bytes)
            _check(answer, cid)
            block = answer.read()
        cid.verify(block)
        accept(cid, block)
        return block

    def _ask(self, stack: ExitStack, request: Request, max_bytes: int) -> Answer:
        method, url, headers = request
        exchange = self._connections.exchange(method, url, max_bytes=max_bytes, headers=headers)
        return stack.enter_context(exchange)


def _check(answer: Answer, cid: Cid) -> None:
    if answer.status in _BUSY:
        raise TransferError(f"HTTP {answer.status}")
    if answer.status != 200:
        raise MissingBlockError(f"HTTP {answer.status} to block {cid}")
