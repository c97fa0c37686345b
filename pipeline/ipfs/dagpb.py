"""The two protobuf messages that UnixFS is made of, written and read by hand.

A dag-pb block is a list of links and some data; in UnixFS the data is a second message that says
what the block is. Sources: DAG-PB (https://ipld.io/specs/codecs/dag-pb/spec/, "Serial Format",
"Protobuf Strictness", "Constraints") and UnixFS (https://specs.ipfs.tech/unixfs/, "dag-pb Node",
"dag-pb Types").

The reader takes canonical blocks only: a node that does not encode to its own bytes is refused,
and so are unknown, repeated or misplaced fields, and a UnixFS message that contradicts its links.
Links stay in the order in which they are found, as "Link sorting" demands.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.errors import ContentError
from pipeline.ipfs.cid import DAG_PB, RAW, Cid, read_varint, varint


class Link(NamedTuple):
    """A PBLink: a child, its name in the parent, the bytes of all blocks below and with it."""

    cid: Cid
    name: bytes | None
    tsize: int | None


class Kind(enum.IntEnum):
    """What a UnixFS node is (UnixFS, "dag-pb Node", DataType)."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    HAMT = 5


@dataclass(frozen=True, slots=True)
class Node:
    """A UnixFS node. A block of the raw codec is a FILE that is nothing but data.

    Attributes:
        kind: what it is.
        links: its children; blocks of the file's content, or entries of the folder.
        data: content that comes before the links (FILE), or the bitfield (HAMT).
        size: bytes of content at and below this node; 0 for folders.
        sizes: of a FILE, the bytes of content below each link.
        fanout: of a HAMT, its buckets per level.
    """

    kind: Kind
    links: tuple[Link, ...] = ()
    data: bytes = b""
    size: int = 0
    sizes: tuple[int, ...] = ()
    fanout: int = 0


DIRECTORY = b"\x08\x01"  # the UnixFS message of a plain directory: Type = 1, nothing else
MURMUR3_X64_64 = 0x22
_MAX_MTIME = 16  # bytes of a UnixTime: an int64 and a fixed32


def encode(links: Iterable[Link], unixfs: bytes | None) -> bytes:
    """A PBNode: Links, then Data ("Serial Format"); in a link Hash, Name, Tsize."""
    parts = []
    for cid, name, tsize in links:
        link = _field(1, cid.bytes)
        if name is not None:
            link += _field(2, name)
        if tsize is not None:
            link += b"\x18" + varint(tsize)
        parts.append(_field(2, link))
    if unixfs is not None:
        parts.append(_field(1, unixfs))
    return b"".join(parts)


def file_message(sizes: Iterable[int]) -> bytes:
    """The UnixFS message of a file whose content lies below its links."""
    sizes = tuple(sizes)
    blocksizes = b"".join(b"\x20" + varint(size) for size in sizes)
    return b"\x08\x02\x18" + varint(sum(sizes)) + blocksizes


def leaf_frame(size: int) -> tuple[bytes, bytes]:
    """What stands before and after `size` bytes of content in a dag-pb leaf."""
    before = b"\x08\x02" + (b"\x12" + varint(size) if size else b"")
    after = b"\x18" + varint(size)
    return b"\x0a" + varint(len(before) + size + len(after)) + before, after


def hamt_message(bitfield: int, fanout: int) -> bytes:
    """The UnixFS message of a shard; the bitfield is big-endian without leading zero bytes."""
    bits = bitfield.to_bytes((bitfield.bit_length() + 7) // 8, "big")
    return (
        b"\x08\x05" + _field(2, bits) + b"\x28" + varint(MURMUR3_X64_64) + b"\x30" + varint(fanout)
    )


def decode(block: bytes) -> tuple[tuple[Link, ...], bytes | None]:
    """The links and data of a canonical dag-pb block."""
    links: list[Link] = []
    unixfs: bytes | None = None
    for number, value in _fields(block):
        if not isinstance(value, bytes) or number not in (1, 2):
            raise ContentError(f"dag-pb node with an unknown field {number}")
        if number == 2:
            links.append(_link(value))
        else:
            unixfs = value
    if encode(links, unixfs) != block:
        raise ContentError("dag-pb node is not in canonical form")
    return tuple(links), unixfs


def decode_node(cid: Cid, block: bytes) -> Node:
    """The UnixFS node that a block is; its hash is the caller's to check."""
    if cid.codec == RAW:
        return Node(Kind.FILE, data=block, size=len(block))
    if cid.codec != DAG_PB:
        raise ContentError(f"block {cid} has the codec {cid.codec:#x}: have 0x55 raw, 0x70 dag-pb")
    try:
        links, unixfs = decode(block)
        return _node(links, unixfs)
    except ContentError as e:
        raise ContentError(f"block {cid}: {e}") from e


def _link(message: bytes) -> Link:
    fields = dict(_fields(message))
    cid, name, tsize = fields.pop(1, None), fields.pop(2, None), fields.pop(3, None)
    if fields:
        raise ContentError(f"dag-pb link with unknown fields {sorted(fields)}")
    if not isinstance(cid, bytes) or isinstance(name, int) or isinstance(tsize, bytes):
        raise ContentError("dag-pb link without a Hash, or with a field of the wrong type")
    return Link(Cid.decode(cid), name, tsize)


def _node(links: tuple[Link, ...], unixfs: bytes | None) -> Node:
    """Read the UnixFS message and hold it against its links ("dag-pb Types").

    Mode and mtime are read past. Nothing else may make a node larger than its links and content
    do, so that whoever bounds these has bounded the bytes to be hashed.
    """
    if not unixfs:
        raise ContentError("dag-pb node without UnixFS data")
    content = b""
    numbers: dict[int, int] = {}
    sizes: list[int] = []
    last = 0
    for number, value in _fields(unixfs):
        if number < last or (number == last and number != 4):
            raise ContentError(f"UnixFS field {number} is repeated or out of order")
        last = number
        if number == 2 and isinstance(value, bytes):
            content = value
        elif number == 4 and isinstance(value, int):
            sizes.append(value)
        elif number in (1, 3, 5, 6, 7) and isinstance(value, int):
            numbers[number] = value
        elif number != 8 or isinstance(value, int) or len(value) > _MAX_MTIME:
            raise ContentError(f"UnixFS field {number} is unknown, too long or of the wrong type")
    if numbers.get(1) not in set(Kind):
        raise ContentError(f"UnixFS type {numbers.get(1)}: have {[kind.value for kind in Kind]}")
    kind = Kind(numbers[1])
    if kind in (Kind.FILE, Kind.RAW):
        if len(sizes) != len(links):
            raise ContentError(f"file of {len(links)} links with {len(sizes)} blocksizes")
        if numbers.get(3, 0) != len(content) + sum(sizes):
            raise ContentError(f"filesize {numbers.get(3, 0)} is not the sum of what it holds")
        if any(link.name for link in links):
            raise ContentError("file with a named link")
        return Node(kind, links, content, numbers.get(3, 0), tuple(sizes))
    if kind is Kind.DIRECTORY and content:
        raise ContentError("folder with content of its own")
    if kind is Kind.HAMT and numbers.get(5) != MURMUR3_X64_64:
        raise ContentError(f"HAMT of hash type {numbers.get(5)}: have 0x22 (murmur3-x64-64)")
    return Node(kind, links, content, fanout=numbers.get(6, 0))


def _field(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + varint(len(value)) + value


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each field; varints and byte strings are all that these messages have."""
    at = 0
    while at < len(message):
        key, at = read_varint(message, at)
        value: bytes | int
        length, at = read_varint(message, at)
        if key & 7 == 0:
            value = length
        elif key & 7 == 2:
            value = message[at : at + length]
            if len(value) != length:
                raise ContentError(f"protobuf field {key >> 3} ends {length - len(value)} early")
            at += length
        else:
            raise ContentError(f"protobuf field {key >> 3} has the wire type {key & 7}: have 0, 2")
        yield key >> 3, value
