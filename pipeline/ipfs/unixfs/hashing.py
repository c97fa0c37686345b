"""Leaves are hashed on all cores; what is in memory at once does not depend on file sizes."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from pipeline.ipfs.unixfs.files import Source, new_buffer

_TASK_BYTES = 16 << 20
_FILE_COST_BYTES = 64 << 10  # opening a small file takes about as long as hashing this much
_MAX_WORKERS = 16


class Span(NamedTuple):
    """A run of whole chunks of one file; the last of a file ends with it."""

    source: Source
    start: int
    end: int


Frame = Callable[[int], tuple[bytes, bytes]]
"""What a leaf of so many bytes has before and after its content."""


def leaf_digests(
    files: Iterable[Source], chunk_bytes: int, frame: Frame
) -> Iterator[tuple[Span, list[bytes]]]:
    """The sha2-256 of every leaf, in order, computed on all cores.

    Args:
        files: what to read.
        chunk_bytes: content per leaf; a file's last leaf has the rest, an empty file one leaf.
        frame: what stands around the content of a leaf.

    Yields:
        A span of a file and the digests of its leaves.
    """
    workers = min(_cores(), _MAX_WORKERS)
    pool = ThreadPoolExecutor(workers)
    running: deque[Future[list[tuple[Span, list[bytes]]]]] = deque()
    try:
        for task in _tasks(files, chunk_bytes):
            running.append(pool.submit(_hash_spans, task, chunk_bytes, frame))
            if len(running) > 2 * workers:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _tasks(files: Iterable[Source], chunk_bytes: int) -> Iterator[list[Span]]:
    """Spans in groups that are worth handing to a thread."""
    span_bytes = max(_TASK_BYTES // chunk_bytes, 1) * chunk_bytes
    task: list[Span] = []
    cost = 0
    for source in files:
        for start in range(0, max(source.size_bytes, 1), span_bytes):
            end = min(start + span_bytes, source.size_bytes)
            task.append(Span(source, start, end))
            cost += end - start + _FILE_COST_BYTES
            if cost >= _TASK_BYTES:
                yield task
                task, cost = [], 0
    if task:
        yield task


def _hash_spans(
    spans: list[Span], chunk_bytes: int, frame: Frame
) -> list[tuple[Span, list[bytes]]]:
    buffer = new_buffer()
    hashed = []
    for span in spans:
        digests = []
        with span.source.reading() as file:
            file.seek(span.start)
            for start in range(span.start, max(span.end, span.start + 1), chunk_bytes):
                size = min(chunk_bytes, span.end - start)
                before, after = frame(size)
                leaf = hashlib.sha256(before)
                for piece in span.source.read_pieces(file, size, buffer):
                    leaf.update(piece)
                leaf.update(after)
                digests.append(leaf.digest())
        hashed.append((span, digests))
    return hashed


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
