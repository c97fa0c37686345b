"""A file or folder gets its CID.

File content is read in pieces and never kept. What stays are the blocks that hold links, some 50
bytes for each chunk of content: from them and the files a CAR is written without another hashing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from pipeline.ipfs import dagpb
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs.build import Balanced, Builder, Child
from pipeline.ipfs.unixfs.files import Source, scan
from pipeline.ipfs.unixfs.hashing import leaf_digests
from pipeline.ipfs.unixfs.profile import DEFAULT_PROFILE, Profile, find_profile


class File(NamedTuple):
    """A file of a DAG; the path is relative, with slashes (of a single file, its name)."""

    path: str
    size_bytes: int
    cid: Cid


class Block(NamedTuple):
    """A block: bytes, then a slice of a file on disk, then bytes; any of them may be empty."""

    cid: Cid
    before: bytes
    source: Source | None = None
    start: int = 0
    length: int = 0
    after: bytes = b""

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole block."""
        return len(self.before) + self.length + len(self.after)


@dataclass(frozen=True)
class Dag:
    """A file or folder with its CID, and all that is needed to write its blocks.

    Attributes:
        root: its CID.
        profile: what the CID was computed under; to be recorded beside it.
        files: its files, by path in byte order.
        nodes: the blocks that hold links, or are an empty folder.
        sources: where a file's content is, by the file's CID.
    """

    root: Cid
    profile: Profile
    files: tuple[File, ...]
    nodes: Mapping[Cid, bytes]
    sources: Mapping[Cid, Source]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @cached_property
    def block_count(self) -> int:
        """Different blocks."""
        return sum(1 for _ in self.blocks())

    def blocks(self) -> Iterator[Block]:
        """Every block once, root first, depth first, in the order of the links."""
        seen: set[Cid] = set()
        pending: list[tuple[Cid, Source | None, int, int]] = [(self.root, None, 0, 0)]
        while pending:
            cid, source, start, size = pending.pop()
            if cid in seen:
                continue
            seen.add(cid)
            if source is None and (source := self.sources.get(cid)):
                size = source.size_bytes
            if (block := self.nodes.get(cid)) is not None:
                yield Block(cid, block)
                pending.extend(reversed(_below(dagpb.decode_node(cid, block), source, start)))
            else:
                before, after = self.profile.leaf_frame(size)
                yield Block(cid, before, source, start, size, after)


def import_path(
    path: Path,
    profile: Profile | str = DEFAULT_PROFILE,
    progress: Callable[[int], None] | None = None,
) -> Dag:
    """The DAG of a file or folder.

    Args:
        path: the file or folder.
        profile: one of PROFILES by name, or a value of its own.
        progress: called now and then with the number of bytes hashed since the last call.

    Raises:
        ContentError: something at or below `path` is neither file nor folder, cannot be read, or
            has a name that cannot travel.
        IntegrityError: something changed while it was read.
    """
    return import_scanned(*scan(path), profile, progress)


def import_scanned(
    folders: Sequence[Source],
    sources: Sequence[Source],
    profile: Profile | str = DEFAULT_PROFILE,
    progress: Callable[[int], None] | None = None,
) -> Dag:
    """The DAG of what `scan` found, on disk or held in memory; otherwise as `import_path`."""
    profile = find_profile(profile)
    dag = Builder(profile)
    done = dict(_import_files(sources, profile, dag, progress))
    for folder in reversed(folders):
        prefix = f"{folder.name}/" if folder.name else ""
        entries = [(name, done[prefix + name.decode()]) for name in folder.entries]
        done[folder.name] = dag.put_folder(entries)
    for source in (*folders, *sources):
        source.check()
    top = folders[0] if folders else sources[0]
    return Dag(
        root=done[top.name].cid,
        profile=profile,
        files=tuple(
            File(source.name, source.size_bytes, done[source.name].cid)
            for source in sorted(sources, key=lambda source: source.name.encode())
        ),
        nodes=dag.nodes,
        sources={done[source.name].cid: source for source in sources},
    )


def folder_cid(path: Path) -> Cid:
    """The CID of a file or folder under the default profile."""
    return import_path(path).root


def _import_files(
    sources: Sequence[Source],
    profile: Profile,
    dag: Builder,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[str, Child]]:
    """Each file by its name, as its leaves come in."""
    layout = Balanced(profile.max_links, dag.put_file)
    for span, digests in leaf_digests(sources, profile.chunk_bytes, profile.leaf_frame):
        for i, digest in enumerate(digests):
            start = span.start + i * profile.chunk_bytes
            layout.add(_leaf(profile, digest, min(profile.chunk_bytes, span.end - start)))
        if progress:
            progress(span.end - span.start)
        if span.end == span.source.size_bytes:
            yield span.source.name, layout.root()
            layout = Balanced(profile.max_links, dag.put_file)


def _leaf(profile: Profile, digest: bytes, size: int) -> Child:
    before, after = profile.leaf_frame(size)
    return Child(profile.leaf_cid(digest), len(before) + size + len(after), size)


def _below(
    node: dagpb.Node, source: Source | None, start: int
) -> list[tuple[Cid, Source | None, int, int]]:
    """Children with the slice of the file that each covers; entries of a folder have their own."""
    if node.kind is not dagpb.Kind.FILE:
        return [(link.cid, None, 0, 0) for link in node.links]
    starts = accumulate(node.sizes, initial=start)
    return [
        (link.cid, source, at, size)
        for link, size, at in zip(node.links, node.sizes, starts, strict=False)
    ]
