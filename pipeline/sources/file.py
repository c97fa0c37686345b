"""`file:FOLDER`: a folder of this machine, relative to the project's root or absolute."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from pipeline import manifest
from pipeline.errors import SourceError, SpecError
from pipeline.host.walls import Access
from pipeline.record import place
from pipeline.sources import Origin, _folder

PINNED = False


def check(location: str) -> None:
    """Any path will do, as long as it is one, and the same for everybody.

    Raises:
        SpecError: the location is something else.
    """
    try:
        place(location)
    except ValueError as e:
        raise SpecError(f"'file:{location}': {e}") from e


def suggest(text: str) -> str | None:
    """A folder that is there, or a path that can be nothing else."""
    is_path = text.startswith(("/", "./", "../")) or Path(text).is_dir()
    return f"file:{text}" if is_path else None


def fingerprint(location: str, wanted: Callable[[str], bool], sha256: Callable[[Path], str]) -> str:
    """A digest of the names and contents of the wanted files, or of what is wrong with them."""
    digest = hashlib.sha256()
    for found in _folder.files(_existing(location)):
        if wanted(found.name):
            content = found.problem or sha256(found.path)
            digest.update(f"{(found.name, content)}\n".encode())
    return digest.hexdigest()


def names(location: str) -> list[str]:
    """The paths of the folder's files, without looking into any."""
    return [found.name for found in _folder.files(_existing(location))]


def access(location: str) -> Access:
    """The folder, and what the snapshots of a hub's cache link to."""
    return Access(reads=_folder.reach(_existing(location)))


def fetch(location: str, wanted: Callable[[str], bool], out: Path) -> Origin:
    """Copy the wanted files; the revision is the digest of their manifest.

    Raises:
        SourceError: the folder is not there, or what is wanted lies outside of it.
    """
    _folder.copy(_existing(location), wanted, out, where=f"file:{location}")
    digest = manifest.digest(manifest.of_folder(out))
    return Origin(revision=f"sha256:{digest}", license=None, sha256={})


def _existing(location: str) -> Path:
    folder = Path(location)
    if not folder.is_dir():
        raise SourceError(f"file:{location}: no such folder")
    return folder
