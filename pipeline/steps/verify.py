"""verify: the CID of what is on disk, computed again and held against the one it must have.

That one is given, or was recorded when the artifact was packaged; then its manifest is known too,
and says which file differs.
"""

from pathlib import Path
from typing import NamedTuple

from pipeline import manifest
from pipeline.errors import IntegrityError, RefusedError, SpecError
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.identity import Identity, Progress, matching
from pipeline.layout import Layout
from pipeline.steps import package
from pipeline.steps.package import Artifact


class Found(NamedTuple):
    """A file or folder, and what was recorded of it if it was packaged."""

    path: Path
    artifact: Artifact | None


def find(target: str, layout: Layout) -> Found:
    """What a path, or else the name of a variant, means.

    Raises:
        SpecError: it is neither.
        RefusedError: a variant that its gate refused; its folder can still be named by its path.
    """
    path = Path(target)
    if path.exists():
        return Found(path, _recorded(path))
    folder = layout.ir(target)
    artifact = _recorded(folder)
    if artifact is None:
        raise SpecError(f"{target!r}: neither a path nor a variant that was packaged")
    if artifact.refusals:
        raise RefusedError(f"{target}: its gate refused it; its folder is {folder}")
    return Found(folder, artifact)


def verify(found: Found, cid: Cid | None, progress: Progress | None = None) -> Identity:
    """Compute the CID and compare it with the one given, or the one recorded.

    Raises:
        SpecError: none is given, and none recorded.
        IntegrityError: it is another one; with a manifest, the message names the first file that
            is missing, added or different.
    """
    path, artifact = found
    if cid is None:
        if artifact is None:
            raise SpecError(f"{path}: nothing is recorded of it; name its CID")
        cid = Cid.parse(artifact.cid)
    try:
        dag = matching(path, cid, progress)
    except IntegrityError:
        if artifact and Cid.parse(artifact.cid) == cid:
            manifest.check(path, artifact.files)
        raise
    return Identity.of(path, cid, dag)


def _recorded(folder: Path) -> Artifact | None:
    """The record of an artifact, which lies at a place of its own beside `artifacts/ir/`."""
    folder = folder.absolute()
    if len(folder.parents) < 3:
        return None
    layout = Layout(folder.parents[2])
    if folder != layout.ir(folder.name) or not layout.package(folder.name).is_dir():
        return None
    return package.read(folder.name, layout)
