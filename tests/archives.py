"""CARs to test with: of a DAG, and of whatever blocks."""

import io
from collections.abc import Iterable
from hashlib import shake_256

from pipeline.ipfs import car
from pipeline.ipfs.car.header import encode_header
from pipeline.ipfs.cid import Cid, varint
from pipeline.ipfs.unixfs import Dag


def content_of(seed: object, size: int) -> bytes:
    """Bytes that do not repeat, always the same."""
    return shake_256(str(seed).encode()).digest(size)


def car_of(dag: Dag) -> bytes:
    return b"".join(map(bytes, car.pieces(dag)))


def car_with(root: Cid, blocks: Iterable[tuple[Cid, bytes]]) -> bytes:
    sections = (encode_header(root), *(cid.bytes + block for cid, block in blocks))
    return b"".join(varint(len(section)) + section for section in sections)


def blocks_of(dag: Dag) -> list[tuple[Cid, bytes]]:
    """In the order of the CAR."""
    return list(car.blocks(io.BytesIO(car_of(dag))))
