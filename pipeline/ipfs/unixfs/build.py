"""The nodes of a DAG, encoded under a profile: files in balanced layout, folders plain or sharded.

Sources: UnixFS (https://specs.ipfs.tech/unixfs/, "dag-pb Types", "TSize") and IPIP-499
(https://specs.ipfs.tech/ipips/ipip-0499/, "Balanced DAG layout variants", "HAMT threshold
behavior").
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from pipeline.ipfs import dagpb
from pipeline.ipfs.cid import DAG_PB, Cid
from pipeline.ipfs.dagpb import Link
from pipeline.ipfs.unixfs import hamt
from pipeline.ipfs.unixfs.profile import Profile


class Child(NamedTuple):
    """What a parent states of a child: CID, bytes of its blocks, bytes of its content."""

    cid: Cid
    tsize: int
    size: int


class Builder:
    """Encodes the nodes of a DAG under a profile, and keeps them."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.nodes: dict[Cid, bytes] = {}

    def put(self, links: list[Link], message: bytes) -> tuple[Cid, int]:
        """Keep a node; its CID and Tsize ("TSize (cumulative DAG size)")."""
        block = dagpb.encode(links, message)
        cid = Cid(self._profile.cid_version, DAG_PB, sha256(block).digest())
        self.nodes[cid] = block
        return cid, len(block) + sum(link.tsize or 0 for link in links)

    def put_file(self, children: list[Child]) -> Child:
        """A node of a file ("dag-pb File"); its links have an empty name."""
        links = [Link(child.cid, b"", child.tsize) for child in children]
        sizes = [child.size for child in children]
        return Child(*self.put(links, dagpb.file_message(sizes)), sum(sizes))

    def put_folder(self, entries: list[tuple[bytes, Child]]) -> Child:
        """A folder, sharded if it is too large for a block ("HAMT threshold behavior")."""
        links = [Link(child.cid, name, child.tsize) for name, child in entries]
        if self._estimate(links) > self._profile.hamt_threshold_bytes:
            return Child(*hamt.build(links, self._profile.hamt_fanout, self.put), 0)
        return Child(*self.put(links, dagpb.DIRECTORY), 0)

    def _estimate(self, links: list[Link]) -> int:
        if self._profile.hamt_estimate == "block-bytes":
            return len(dagpb.encode(links, dagpb.DIRECTORY))
        return sum(len(link.name or b"") + len(link.cid.bytes) for link in links)


class Balanced:
    """The balanced layout, built as leaves arrive: every leaf is equally far from the root.

    A level is closed into a node of the level above when it is full and one more child comes, or
    at the end (IPIP-499, "Balanced DAG layout variants").
    """

    def __init__(self, width: int, put: Callable[[list[Child]], Child]) -> None:
        self._width = width
        self._put = put
        self._levels: list[list[Child]] = [[]]

    def add(self, child: Child, level: int = 0) -> None:
        """Append a leaf, or a node to a level above."""
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == self._width:
            self._close(level)
        self._levels[level].append(child)

    def root(self) -> Child:
        """Close what is open; the top of all that was added, which is a lone leaf itself."""
        level = 0
        while level + 1 < len(self._levels) or len(self._levels[level]) > 1:
            self._close(level)
            level += 1
        return self._levels[level][0]

    def _close(self, level: int) -> None:
        node = self._put(self._levels[level])
        self._levels[level] = []
        self.add(node, level + 1)
