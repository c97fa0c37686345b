"""Leaves are hashed on all cores; what is in memory at once does not depend on file sizes."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from pipeline.ipfs.unixfs.files import Held, Source, new_buffer

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
    workers = _workers()
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


def hold(files: Iterable[Source], allocate: Callable[[Source], memoryview]) -> Iterator[Held]:
    """The files in memory, read on all cores.

    Args:
        files: what to read.
        allocate: gives the memory that a file is read into, of its size.
    """

    def fill(spans: list[Span]) -> None:
        for source, start, end in spans:
            source.read_into(memory[source.name][start:end], start)

    files = tuple(files)
    memory = {source.name: allocate(source) for source in files}
    with ThreadPoolExecutor(_workers()) as pool:
        for _ in pool.map(fill, _tasks(files, _TASK_BYTES)):
            pass
    for source in files:
        content = memory[source.name].toreadonly()
        yield Held(source.name, source.path, source.stamp, content=content)


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
        with span.source.reading(buffer) as read:
            for start in range(span.start, max(span.end, span.start + 1), chunk_bytes):
                size = min(chunk_bytes, span.end - start)
                before, after = frame(size)
                leaf = hashlib.sha256(before)
                for piece in read(start, size):
                    leaf.update(piece)
                leaf.update(after)
                digests.append(leaf.digest())
        hashed.append((span, digests))
    return hashed


def _workers() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(cores, _MAX_WORKERS)
