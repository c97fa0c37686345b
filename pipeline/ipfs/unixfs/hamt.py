"""Folders too large for one block: a trie over the hashes of the names, one block per bucket.

Source: UnixFS (https://specs.ipfs.tech/unixfs/, "dag-pb HAMTDirectory"), read as every
implementation writes it (ipfs/specs#553): the hash is taken from its most significant bits down,
and the bitfield is big-endian. A bucket with one name holds its entry, a fuller one another shard.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline.errors import ContentError
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.dagpb import Kind, Link, Node, hamt_message

_HASH_BITS = 64
_MASK = (1 << 64) - 1
_MAX_FANOUT = 1024  # "HAMT Structure and Parameters"; beyond lies CVE-2023-23625

Put = Callable[[list[Link], bytes], tuple[Cid, int]]


class Position(NamedTuple):
    """Where a shard hangs: the bits of the hash that lead to it, and their number."""

    path: int = 0
    bits: int = 0


def build(entries: Iterable[Link], fanout: int, put: Put) -> tuple[Cid, int]:
    """Write the shards of a folder.

    Args:
        entries: its links, each by its own name.
        fanout: buckets per shard, a power of two.
        put: stores the node of these links and this UnixFS message; gives its CID and Tsize.

    Returns:
        CID and Tsize of the root shard.
    """
    hashed = [(murmur3_x64_64(entry.name or b""), entry) for entry in entries]
    return _shard(hashed, fanout, 0, put)


def children(shard: Node, at: Position) -> Iterator[tuple[Link, bytes | Position]]:
    """Each link of a shard, with the name that it gives, or the position of the shard below.

    Raises:
        ContentError: the parameters are out of bounds, the bitfield does not match the links, or
            an entry is not where the hash of its name belongs.
    """
    fanout = shard.fanout
    if fanout & (fanout - 1) or not 8 <= fanout <= _MAX_FANOUT:
        raise ContentError(f"HAMT of fanout {fanout}: have powers of two from 8 to {_MAX_FANOUT}")
    width, step = len(f"{fanout - 1:X}"), fanout.bit_length() - 1
    bits = at.bits + step
    bitfield = 0
    for link in shard.links:
        prefix, name = (link.name or b"")[:width], (link.name or b"")[width:]
        index = _bucket(prefix, width)
        if index >= fanout or bits > _HASH_BITS:
            raise ContentError(f"HAMT bucket {prefix!r} of {fanout}, {bits} bits deep")
        below = Position(at.path << step | index, bits)
        if name and murmur3_x64_64(name) >> (_HASH_BITS - bits) != below.path:
            raise ContentError(f"HAMT entry {name!r} is in the wrong bucket")
        bitfield |= 1 << index
        yield link, name or below
    if (
        bitfield != int.from_bytes(shard.data, "big")
        or bitfield.bit_count() != len(shard.links)
        or len(shard.data) > fanout // 8
    ):
        raise ContentError("HAMT bitfield does not match its links")


def check_below(shard: Node, parent: Node) -> None:
    """A shard's child by position is a shard of the same fanout."""
    if shard.kind is not Kind.HAMT or shard.fanout != parent.fanout:
        raise ContentError("HAMT shard has another kind or fanout than the shard above it")


def murmur3_x64_64(key: bytes) -> int:
    """The first half of MurmurHash3_x64_128 with seed 0 (multicodec murmur3-x64-64, 0x22)."""
    h1 = h2 = 0
    whole = len(key) & ~15
    for i in range(0, whole, 16):
        h1 ^= _mix1(int.from_bytes(key[i : i + 8], "little"))
        h1 = ((_rotate(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _mix2(int.from_bytes(key[i + 8 : i + 16], "little"))
        h2 = ((_rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    h1 ^= _mix1(int.from_bytes(key[whole : whole + 8], "little"))
    h2 ^= _mix2(int.from_bytes(key[whole + 8 :], "little"))
    h1 ^= len(key)
    h2 ^= len(key)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return (_finish(h1) + _finish(h2)) & _MASK


def _shard(
    hashed: list[tuple[int, Link]], fanout: int, depth_bits: int, put: Put
) -> tuple[Cid, int]:
    bits = depth_bits + fanout.bit_length() - 1
    if bits > _HASH_BITS:
        names = [entry.name for _, entry in hashed]
        raise ContentError(f"names of one murmur3 hash cannot share a sharded folder: {names}")
    buckets: dict[int, list[tuple[int, Link]]] = {}
    for digest, entry in hashed:
        index = digest >> (_HASH_BITS - bits) & (fanout - 1)
        buckets.setdefault(index, []).append((digest, entry))
    links = []
    width = len(f"{fanout - 1:X}")
    for index, bucket in sorted(buckets.items()):
        prefix = f"{index:0{width}X}".encode()
        if len(bucket) == 1:
            entry = bucket[0][1]
            links.append(entry._replace(name=prefix + (entry.name or b"")))
        else:
            cid, tsize = _shard(bucket, fanout, bits, put)
            links.append(Link(cid, prefix, tsize))
    return put(links, hamt_message(sum(1 << index for index in buckets), fanout))


def _bucket(prefix: bytes, width: int) -> int:
    """The index that a link's prefix states; upper-case hex of full width, and nothing else."""
    if len(prefix) != width or not set(prefix) <= set(b"0123456789ABCDEF"):
        raise ContentError(f"HAMT link prefix {prefix!r}: want {width} upper-case hex digits")
    return int(prefix, 16)


def _mix1(k: int) -> int:
    return _rotate(k * 0x87C37B91114253D5 & _MASK, 31) * 0x4CF5AD432745937F & _MASK


def _mix2(k: int) -> int:
    return _rotate(k * 0x4CF5AD432745937F & _MASK, 33) * 0x87C37B91114253D5 & _MASK


def _rotate(x: int, n: int) -> int:
    return (x << n | x >> (64 - n)) & _MASK


def _finish(k: int) -> int:
    k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD & _MASK
    k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return k ^ k >> 33
