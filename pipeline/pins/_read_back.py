"""The proof of targets that give back what they hold."""

from collections.abc import Callable

from pipeline.errors import IntegrityError, PinError
from pipeline.host import progress
from pipeline.ipfs.unixfs import Block, Dag
from pipeline.pins import ReadBack


def read_back(dag: Dag, get: Callable[[Block], bytes], location: str) -> ReadBack:
    """Get every block of a DAG from where it is pinned, and hash it.

    Raises:
        PinError: a block is not what its CID names; or from `get`.
    """
    size_bytes = sum(block.size_bytes for block in dag.blocks())
    with progress.bar(size_bytes, f"read back from {location}", "B") as bar:
        for block in dag.blocks():
            try:
                block.cid.verify(get(block))
            except IntegrityError as e:
                raise PinError(f"{location}: {e}") from e
            bar.update(block.size_bytes)
    return ReadBack(location=location, blocks=dag.block_count, size_bytes=size_bytes)
