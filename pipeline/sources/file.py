"""`file:FOLDER`: a folder of this machine, relative to the project's root or absolute."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline import manifest
from pipeline.errors import SourceError, SpecError
from pipeline.sources import Origin

PINNED = False


def check(location: str) -> None:
    """Any path will do, as long as it is one."""
    if "\0" in location:
        raise SpecError(f"{location!r}: want the path of a folder")


def fingerprint(location: str) -> str:
    """A digest of every path, size and time of change below the folder."""
    digest = hashlib.sha256()
    for path in sorted(_folder(location).rglob("*")):
        status = path.stat()  # of what a link points to: that is what fetch copies
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def fetch(location: str, wanted: Callable[[str], bool], out: Path) -> Origin:
    """Copy the wanted files; the revision is the digest of their manifest.

    Raises:
        SourceError: the folder is not there.
    """
    folder = _folder(location)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and wanted(name):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / name)
    entries = [entry.model_dump_json() for entry in manifest.of_folder(out)]
    revision = hashlib.sha256("\n".join(entries).encode()).hexdigest()
    return Origin(revision=f"sha256:{revision}", license=None, sha256={})


def _folder(location: str) -> Path:
    folder = Path(location)
    if not folder.is_dir():
        raise SourceError(f"file:{location}: no such folder")
    return folder
