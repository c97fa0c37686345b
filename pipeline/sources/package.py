"""`package:IMPORT_NAME/FOLDER`: files that an installed Python distribution carries.

The package is found, never imported. Its version is the revision, and the digests are those of its
RECORD (PyPA binary distribution format).
"""

import base64
import importlib.util
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from pipeline.errors import SourceError, SpecError
from pipeline.host.walls import Access
from pipeline.sources import Origin
from pipeline.sources._folder import copy, files, reach

_LOCATION = re.compile(r"[A-Za-z_]\w*(/[\w.-]+)*", re.ASCII)

PINNED = False


def check(location: str) -> None:
    """Want IMPORT_NAME, or IMPORT_NAME/FOLDER with no `..` in it.

    Raises:
        SpecError: the location is something else.
    """
    if not _LOCATION.fullmatch(location) or ".." in location.split("/"):
        raise SpecError(f"'package:{location}': want package:IMPORT_NAME/FOLDER")


def suggest(text: str) -> str | None:
    """The folder of a package that is installed."""
    try:
        check(text)
        _folder(text)
    except (SourceError, SpecError):
        return None
    return f"package:{text}"


def fingerprint(location: str, wanted: Callable[[str], bool], sha256: Callable[[Path], str]) -> str:
    """The distribution and its version."""
    return _revision(location)


def _revision(location: str) -> str:
    distribution = _distribution(location)
    return f"{distribution.metadata['Name']}=={distribution.version}"


def names(location: str) -> list[str]:
    """The paths of the files in the package's folder."""
    return [found.name for found in files(_folder(location))]


def access(location: str) -> Access:
    """The package's folder."""
    return Access(reads=reach(_folder(location)))


def fetch(location: str, wanted: Callable[[str], bool], out: Path) -> Origin:
    """Copy the wanted files of the package's folder.

    Raises:
        SourceError: no such package or folder, or what is wanted lies outside of it.
    """
    folder, distribution = _folder(location), _distribution(location)
    copied = copy(folder, wanted, out, where=f"package:{location}")
    recorded = {str(f.locate()): f.hash for f in distribution.files or [] if f.hash}
    hashes = {name: recorded.get(str(folder / name)) for name in copied}
    return Origin(
        revision=_revision(location),
        license=_license(distribution),
        sha256={n: _hex(h.value) for n, h in hashes.items() if h and h.mode == "sha256"},
    )


def _folder(location: str) -> Path:
    name, _, inside = location.partition("/")
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise SourceError(f"package:{location}: package {name!r} is not installed; pip install it")
    folder = Path(found.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise SourceError(f"package:{location}: no folder {inside!r} in package {name!r}")
    return folder


def _distribution(location: str) -> metadata.Distribution:
    name = location.partition("/")[0]
    try:  # most are called as what they install
        distribution = metadata.distribution(name)
        if any(file.parts[0] == name for file in distribution.files or []):
            return distribution
    except metadata.PackageNotFoundError:
        pass
    distributions = metadata.packages_distributions().get(name)
    if not distributions:
        raise SourceError(f"package:{location}: package {name!r} is not installed; pip install it")
    return metadata.distribution(distributions[0])


def _license(distribution: metadata.Distribution) -> str | None:
    stated = distribution.metadata
    return next((stated[key] for key in ("License-Expression", "License") if key in stated), None)


def _hex(urlsafe: str) -> str:
    """RECORD's urlsafe base64 without padding, as hex."""
    return base64.urlsafe_b64decode(urlsafe + "=" * (-len(urlsafe) % 4)).hex()
