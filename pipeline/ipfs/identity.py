"""What a file or folder is: its CID, and whether that is the one it must be."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import IntegrityError
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import PROFILES, Dag
from pipeline.ipfs.unixfs.files import Source, scan
from pipeline.ipfs.unixfs.importer import import_scanned
from pipeline.record import Record

Progress = Callable[[int], None]


class Identity(Record):
    """What a file or folder is: its CID, and under which profile."""

    path: str
    cid: str
    profile: str
    files: int
    size_bytes: int

    @classmethod
    def of(cls, path: Path, cid: Cid, dag: Dag) -> "Identity":
        """What a DAG says of the path that it was computed from."""
        return cls(
            path=str(path),
            cid=str(cid),
            profile=dag.profile.name,
            files=len(dag.files),
            size_bytes=dag.size_bytes,
        )


def matching(path: Path, cid: Cid, progress: Progress | None = None) -> Dag:
    """The DAG of a path under the profile that gives this CID, whichever that is.

    Raises:
        IntegrityError: none does.
    """
    return matching_scanned(*scan(path), cid, str(path), progress)


def matching_scanned(
    folders: Sequence[Source],
    sources: Sequence[Source],
    cid: Cid,
    where: str,
    progress: Progress | None = None,
) -> Dag:
    """The same of what `scan` found, on disk or held in memory; `where` is for the message."""
    computed = []
    for profile in sorted(PROFILES.values(), key=lambda p: p.cid_version != cid.version):
        dag = import_scanned(folders, sources, profile, progress)
        if (dag.root.codec, dag.root.digest) == (cid.codec, cid.digest):
            return dag
        computed.append(f"{dag.root} ({profile.name})")
    raise IntegrityError(f"{where}: its CID is {', '.join(computed)}: want {cid}")
