"""A CAR straight from the folder: nothing is copied, in memory or on disk.

Source: CARv1 (https://ipld.io/specs/transport/car/carv1/, "Data", "Determinism").
"""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import groupby
from operator import attrgetter
from typing import BinaryIO

from pipeline.ipfs.car.header import encode_header
from pipeline.ipfs.cid import varint
from pipeline.ipfs.unixfs import Block, Dag
from pipeline.ipfs.unixfs.files import new_buffer


def write(dag: Dag, stream: BinaryIO) -> int:
    """Write a DAG as CARv1; the number of bytes written.

    Raises:
        IntegrityError: a file changed since it was imported (device, inode, size or modification
            time); what was written so far is no CAR of this DAG, and its reader will find out.
    """
    written = 0
    for piece in pieces(dag):
        rest = memoryview(piece)
        while rest:
            count = stream.write(rest)
            if not count:
                raise BlockingIOError("the stream takes no more bytes: it must be a blocking one")
            rest = rest[count:]
        written += len(piece)
    return written


def pieces(dag: Dag) -> Iterator[bytes | memoryview]:
    """The bytes of a DAG's CARv1; each piece is valid until the next one is asked for."""
    header = encode_header(dag.root)
    yield varint(len(header)) + header
    buffer = new_buffer()
    for source, run in groupby(dag.blocks(), attrgetter("source")):
        with source.reading(buffer) if source else nullcontext() as read:
            for block in run:
                yield _section_start(block) + block.before
                if read:
                    yield from read(block.start, block.length)
                    yield block.after


def car_size(dag: Dag) -> int:
    """Bytes of a DAG's CARv1."""
    header = encode_header(dag.root)
    sections = (len(_section_start(block)) + block.size_bytes for block in dag.blocks())
    return len(varint(len(header))) + len(header) + sum(sections)


def _section_start(block: Block) -> bytes:
    cid = block.cid.bytes
    return varint(len(cid) + block.size_bytes) + cid
