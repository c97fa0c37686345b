"""verify: the CID of what is on disk, computed again and held against the one it must have.

That one is given, or was recorded when the artifact was packaged; then its manifest is known too,
and says which file differs.
"""

from pathlib import Path
from typing import NamedTuple

from pipeline import artifact, manifest
from pipeline.artifact import Artifact
from pipeline.errors import IntegrityError, RefusedError, SpecError
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.identity import Identity, Progress, matching
from pipeline.layout import Layout
from pipeline.refusal import Refusal


class Found(NamedTuple):
    """A file or folder, and what was recorded of it if it was packaged."""

    path: Path
    artifact: Artifact | None


def find(target: str, layout: Layout) -> Found:
    """What a path, or else the name of a variant, means.

    Raises:
        SpecError: it is neither.
        RefusedError: a variant that was refused; its folder can still be named by its path.
    """
    path = Path(target)
    if path.exists():
        return Found(path, _recorded(path))
    folder = layout.ir(target)
    packaged = _packaged(folder)
    if packaged is None:
        raise SpecError(f"{target!r}: neither a path nor a variant that was packaged")
    if isinstance(packaged, Refusal):
        raise RefusedError(f"{target}: refused: {packaged.refused}; its folder is {folder}")
    return Found(folder, packaged)


def verify(found: Found, cid: Cid | None, progress: Progress | None = None) -> Identity:
    """Compute the CID and compare it with the one given, or the one recorded.

    Raises:
        SpecError: none is given, and none recorded.
        IntegrityError: it is another one; with a manifest, the message names the first file that
            is missing, added or different.
    """
    path, recorded = found
    if cid is None:
        if recorded is None:
            raise SpecError(f"{path}: nothing is recorded of it; name its CID")
        cid = Cid.parse(recorded.cid)
    try:
        dag = matching(path, cid, progress)
    except IntegrityError:
        if recorded and Cid.parse(recorded.cid) == cid:
            manifest.check(path, recorded.files)
        raise
    return Identity.of(path, cid, dag)


def _recorded(folder: Path) -> Artifact | None:
    """The record of an artifact, also of one that its gate refused."""
    packaged = _packaged(folder)
    return artifact.judged(packaged) if isinstance(packaged, Refusal) else packaged


def _packaged(folder: Path) -> Artifact | Refusal | None:
    """What `package` made of a folder; it lies at a place of its own beside `artifacts/ir/`."""
    folder = folder.absolute()
    if len(folder.parents) < 3:
        return None
    layout = Layout(folder.parents[2])
    if folder != layout.ir(folder.name) or not layout.package(folder.name).is_dir():
        return None
    return artifact.read(layout.package(folder.name))
