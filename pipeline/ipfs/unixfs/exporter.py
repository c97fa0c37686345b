"""A UnixFS DAG becomes a file or folder again, whatever its blocks come from.

Nothing is believed: every block is hashed where it is used, sizes must be the ones that the parent
states, names must be names, and depth, nodes and bytes are paid from a budget before they are
spent. Source: UnixFS (https://specs.ipfs.tech/unixfs/, "dag-pb Types").
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BudgetError, ContentError
from pipeline.ipfs import dagpb
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.dagpb import Kind, Node
from pipeline.ipfs.unixfs import hamt
from pipeline.ipfs.unixfs.files import check_name
from pipeline.ipfs.unixfs.importer import File

GetBlock = Callable[[Cid], bytes]
"""The bytes of a block, or MissingBlockError; whether they are the right ones is checked here."""

_WRITE_NEW = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_FOLDERS = (Kind.DIRECTORY, Kind.HAMT)
_BAD_NAME = {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a foreign DAG may cost.

    Attributes:
        depth: blocks from the root down to any leaf.
        nodes: links followed, each as often as it is followed.
        size_bytes: content written, shared blocks counted as often as they are written.
        block_bytes: the largest block; Bitswap carries 2 MiB.
    """

    depth: int = 128
    nodes: int = 1_000_000
    size_bytes: int = 256 << 30
    block_bytes: int = 4 << 20


DEFAULT_BUDGET = Budget()


def export(root: Cid, get_block: GetBlock, out: Path, budget: Budget = DEFAULT_BUDGET) -> None:
    """Write the file or folder that `root` names to `out`, which must not exist yet.

    It is built beside `out` and renamed when whole; on any error nothing is left.

    Raises:
        ContentError: the DAG is malformed, or holds what is neither file nor folder.
        MissingBlockError: from `get_block`, naming the CID.
        IntegrityError: a block does not match its CID.
        BudgetError: it would cost more than allowed.
    """
    with whole(out) as built:
        _Export(get_block, budget).write(root, built)


def list_files(
    root: Cid, get_block: GetBlock, budget: Budget = DEFAULT_BUDGET, *, content: bool = False
) -> Iterator[File]:
    """Every file at and below `root`, in the order of the links; the path of the root is empty.

    Errors are those of `export`.

    Args:
        root: a file or folder.
        get_block: where blocks come from.
        budget: what it may cost.
        content: whether all of each file is asked for and checked, not only its first block.
    """
    export = _Export(get_block, budget)
    for path, cid, node, depth in export.walk(root):
        if node.kind not in _FOLDERS:
            for _ in export.content(node, depth) if content else ():
                pass
            yield File(path, node.size, cid)


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A path to build at, which becomes `out` when the block ends well and is gone otherwise."""
    _check_free(out)
    scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=out.parent))
    try:
        yield scratch / "built"
        _check_free(out)
        (scratch / "built").rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Export:
    """One export, with what it has spent."""

    def __init__(self, get_block: GetBlock, budget: Budget) -> None:
        self._get_block = get_block
        self._budget = budget
        self._nodes = 0
        self._size_bytes = 0

    def write(self, root: Cid, out: Path) -> None:
        for path, _, node, depth in self.walk(root):
            with _creating(path):
                if node.kind in _FOLDERS:
                    (out / path).mkdir()
                    continue
                fd = os.open(out / path, _WRITE_NEW, 0o666)
            with os.fdopen(fd, "wb") as file:
                for content in self.content(node, depth):
                    file.write(content)

    def walk(self, root: Cid) -> Iterator[tuple[str, Cid, Node, int]]:
        """Path, CID, node and depth of each file and folder, a folder before what is in it."""
        pending = [(root, "", 0)]
        while pending:
            cid, path, depth = pending.pop()
            node = self._load(cid, depth)
            if node.kind not in (*_FOLDERS, Kind.FILE, Kind.RAW):
                kind = node.kind.name.lower()
                raise ContentError(f"{path or root}: a {kind}: have files and folders")
            self._spend_bytes(path, node.size)
            yield path, cid, node, depth
            if node.kind in _FOLDERS:
                pending.extend(reversed(self._entries(node, path, depth)))

    def content(self, node: Node, depth: int) -> Iterator[bytes]:
        """The bytes of a file; that each node holds what its parent states bounds them."""
        pending: list[tuple[Cid, int, int]] = []
        while True:
            yield node.data
            self._spend_nodes(len(node.links))
            pairs = zip(node.links, node.sizes, strict=True)
            pending.extend([(link.cid, size, depth + 1) for link, size in pairs][::-1])
            if not pending:
                return
            cid, size, depth = pending.pop()
            node = self._load(cid, depth)
            if node.kind not in (Kind.FILE, Kind.RAW) or node.size != size:
                raise ContentError(f"block {cid} is not {size} bytes of a file")

    def _entries(self, node: Node, path: str, depth: int) -> list[tuple[Cid, str, int]]:
        """CID, path and depth of everything in a folder, sharded or not."""
        entries: dict[str, tuple[Cid, str, int]] = {}
        for encoded, cid, below in self._links(node, hamt.Position(), depth + 1):
            name = check_name(encoded)
            if name in entries:
                raise ContentError(f"{path or '.'}: two entries of the name {name!r}")
            entries[name] = (cid, f"{path}/{name}" if path else name, below)
        return list(entries.values())

    def _links(self, node: Node, at: hamt.Position, depth: int) -> Iterator[tuple[bytes, Cid, int]]:
        self._spend_nodes(len(node.links))
        if node.kind is Kind.DIRECTORY:
            for link in node.links:
                yield link.name or b"", link.cid, depth
            return
        for link, below in hamt.children(node, at):
            if isinstance(below, bytes):
                yield below, link.cid, depth
            else:
                shard = self._load(link.cid, depth)
                hamt.check_below(shard, node)
                yield from self._links(shard, below, depth + 1)

    def _load(self, cid: Cid, depth: int) -> Node:
        if depth > self._budget.depth:
            raise BudgetError(f"block {cid} is deeper than the allowed {self._budget.depth}")
        block = self._get_block(cid)
        if len(block) > self._budget.block_bytes:
            raise BudgetError(
                f"block {cid} of {len(block)} bytes: at most {self._budget.block_bytes}"
            )
        cid.verify(block)
        return dagpb.decode_node(cid, block)

    def _spend_bytes(self, path: str, count: int) -> None:
        self._size_bytes += count
        if self._size_bytes > self._budget.size_bytes:
            raise BudgetError(f"{path}: more than the allowed {self._budget.size_bytes} bytes")

    def _spend_nodes(self, count: int) -> None:
        self._nodes += count
        if self._nodes > self._budget.nodes:
            raise BudgetError(f"more than the allowed {self._budget.nodes} nodes")


@contextmanager
def _creating(path: str) -> Iterator[None]:
    """Blame the name for what only the name can have caused."""
    try:
        yield
    except OSError as e:
        if e.errno in _BAD_NAME:
            raise ContentError(f"{path!r} cannot be created: {e.strerror}") from e
        raise


def _check_free(out: Path) -> None:
    if os.path.lexists(out):
        raise ContentError(f"{out} exists already")
