"""A CAR from anywhere, read without belief.

Sources: CARv1 (https://ipld.io/specs/transport/car/carv1/, "Data") and CARv2
(https://ipld.io/specs/transport/car/carv2/, "Pragma", "Header", "CARv1 data payload").
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import BudgetError, ContentError, MissingBlockError
from pipeline.ipfs import unixfs
from pipeline.ipfs.car.sections import MAX_CID, CarInput, read_header
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import DEFAULT_BUDGET, Budget

_OVERHEAD = 512  # bytes around a block's content: CID, length, and the link that leads to it


def blocks(stream: BinaryIO, budget: Budget = DEFAULT_BUDGET) -> Iterator[tuple[Cid, bytes]]:
    """Every block of a CAR, in its order, hashed.

    Raises:
        ContentError: the CAR is malformed, or ends early; what came before is good.
        IntegrityError: a block does not match its CID.
    """
    car = CarInput(stream, None)
    read_header(car)
    while (length := car.section(budget)) is not None:
        cid, block = _split(car.take(length))
        cid.verify(block)
        yield cid, block


def extract(
    car: Path | BinaryIO, root: Cid | None, out: Path, budget: Budget = DEFAULT_BUDGET
) -> Cid:
    """Write the file or folder in a CAR to `out`, which must not exist yet; its CID.

    It is built beside `out` and renamed when whole, after every block of the CAR has been hashed,
    also those that nothing links to. A stream is spooled to a temporary file beside `out` first.

    Args:
        car: the CAR on disk, or as a stream.
        root: the CID that is expected; without it, the only root that the CAR names.
        out: where to.
        budget: what it may cost.

    Raises:
        ContentError: malformed, not exactly one root, or not the one expected.
        MissingBlockError: a block that the DAG needs is not there, by its CID.
    """
    with ExitStack() as opened:
        if isinstance(car, Path):
            file: BinaryIO = opened.enter_context(car.open("rb"))
        else:
            file = opened.enter_context(tempfile.TemporaryFile(dir=out.parent))
            _spool(car, file, budget)
        archive = CarFile(file, budget)
        root = archive.only_root(root)
        with unixfs.whole(out) as built:
            unixfs.export(root, archive.read, built, budget)
            archive.check_unread()
    return root


class CarFile:
    """A CAR on disk as a source of blocks: it knows where each one is and holds none.

    Attributes:
        roots: as the header has them.
    """

    def __init__(self, file: BinaryIO, budget: Budget = DEFAULT_BUDGET) -> None:
        """Read the lengths and CIDs of all sections, no block."""
        self._file = file
        self._sections: list[tuple[Cid, int, int]] = []
        self._index: dict[bytes, tuple[int, int]] = {}
        self._read: set[int] = set()
        car = CarInput(file, file.seek(0, io.SEEK_END))
        file.seek(0)
        self.roots = read_header(car)
        while (length := car.section(budget)) is not None:
            start = car.position
            head = car.take(min(length, MAX_CID))
            cid, cid_length = Cid.decode_prefix(head)
            car.skip(length - len(head))
            block = (start + cid_length, length - cid_length)
            self._sections.append((cid, *block))
            self._index.setdefault(cid.digest, block)
            if len(self._sections) > budget.nodes:
                raise BudgetError(f"CAR of more than the allowed {budget.nodes} blocks")

    def only_root(self, expected: Cid | None) -> Cid:
        """The one root of this CAR, which is the expected one if there is any."""
        if len(self.roots) != 1:
            raise ContentError(f"CAR of {len(self.roots)} roots: want exactly one")
        if expected is not None and self.roots[0] != expected:
            raise ContentError(f"CAR of the root {self.roots[0]}: expected {expected}")
        return self.roots[0]

    def read(self, cid: Cid) -> bytes:
        """The block that the CAR has under a digest, not hashed: `unixfs.export` hashes it."""
        if cid.digest not in self._index:
            raise MissingBlockError(f"block {cid} is missing")
        start, length = self._index[cid.digest]
        self._read.add(start)
        return self._at(start, length)

    def check_unread(self) -> None:
        """Hash every block that `read` has not given."""
        for cid, start, length in self._sections:
            if start not in self._read:
                cid.verify(self._at(start, length))

    def _at(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)


def _split(section: bytes) -> tuple[Cid, bytes]:
    cid, length = Cid.decode_prefix(section[:MAX_CID])
    return cid, section[length:]


def _spool(stream: BinaryIO, file: BinaryIO, budget: Budget) -> None:
    limit = budget.size_bytes + budget.nodes * _OVERHEAD
    while part := stream.read(1 << 20):
        limit -= len(part)
        if limit < 0:
            raise BudgetError(f"CAR of more than the allowed {budget.size_bytes} bytes of content")
        file.write(part)
