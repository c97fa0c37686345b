"""`hf:OWNER/NAME@COMMIT`: one commit of a model repository on a Hugging Face hub.

`hf:OWNER/NAME@COMMIT/FOLDER` is a folder of it, whose files are delivered as if it were the top.
`hf:datasets/OWNER/NAME@COMMIT` is a data set repository: its files, and never the code in it.
Repositories of old have no owner (`hf:bert-base-uncased@COMMIT`).

The hub is asked which files the commit holds, and believed in nothing else: its listing is read
strictly, no file may grow past its listed size, and every file must have its listed hash (git's own
is checked here; the sha256 of an LFS file is in the Origin, and held against what arrived by
fetch). No header of an answer is used, so none can lie; hence neither the client's cache, whose
paths come from headers, nor Xet, which is announced in one.

Environment: HF_ENDPOINT, HF_TOKEN (a stored login is not used), and the client's own
HF_HUB_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT (seconds without a byte after which it resumes).
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import IntegrityError, SourceError, SpecError
from pipeline.host import progress
from pipeline.host.walls import Access
from pipeline.sources import Origin
from pipeline.sources._download import download

MAX_LISTING_BYTES = 64 << 20

_NAME = r"\w(?:[\w.-]{0,94}\w)?"
_PART = r"[\w+=-][\w.+=, -]*"  # begins with no dot
_LOCATION = re.compile(
    rf"(?P<datasets>datasets/)?(?![^@]*(?:--|\.\.|\.git@))(?P<repo>{_NAME}(?:/{_NAME})?)@"
    rf"(?P<commit>[0-9a-f]{{40}})"
    rf"(?P<folder>(?:/{_PART})*)",
    re.ASCII,
)
# What people have of a repository without its commit: a name, or the address of its page.
_REPOSITORY = re.compile(
    rf"(?!.*(?:--|\.\.))(?:https?://(?:huggingface\.co|hf\.co)/)?(?P<repo>{_NAME}/{_NAME})"
    r"(?:@(?P<revision>[\w.-]+)|/)?",
    re.ASCII,
)
_REVISION = re.compile(r"(?!.*\.\.)[\w.-]{1,200}", re.ASCII)
_ENDPOINT = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w.-]+)*/?", re.ASCII)
_LICENSE = re.compile(r"[\w.+-]{1,100}", re.ASCII)


class _Stated(BaseModel):
    """What the hub says, with only those fields that are used."""

    model_config = ConfigDict(strict=True)

    @classmethod
    def read(cls, stated: bytes | dict[str, Any], location: str) -> Self:
        try:
            if isinstance(stated, bytes):
                return cls.model_validate_json(stated)
            return cls.model_validate(stated)
        except ValidationError as e:
            problem = e.errors(include_url=False)[0]
            key = ".".join(map(str, problem["loc"])) or "listing"
            raise SourceError(f"hf:{location}: the hub's {key}: {problem['msg']}") from e


class _Lfs(_Stated):
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _File(_Stated):
    """A file of the commit; `size` is that of its content, `blobId` git's, of a pointer if LFS."""

    rfilename: str = Field(max_length=1024)
    size: int = Field(ge=0)
    blobId: str = Field(pattern="^[0-9a-f]{40}$")  # noqa: N815 - the hub's name
    lfs: _Lfs | None = None


class _Listing(_Stated):
    """A commit; of its files only those that are wanted are read more closely."""

    sha: str = Field(pattern="^[0-9a-f]{40}$")
    siblings: list[dict[str, Any]]
    cardData: dict[str, Any] | None = None  # noqa: N815 - the hub's name


PINNED = True


def check(location: str) -> None:
    """Want OWNER/NAME@COMMIT, or that and a folder with no `..` in it.

    Raises:
        SpecError: the location is something else.
    """
    _parts(location)


def suggest(text: str) -> str | None:
    """OWNER/NAME, or the page of that repository; the commit only if it is there."""
    found = _REPOSITORY.fullmatch(text)
    if not found:
        return None
    revision = found["revision"] or ""
    return f"hf:{found['repo']}@{revision if re.fullmatch('[0-9a-f]{40}', revision) else 'COMMIT'}"


def fingerprint(location: str, wanted: Callable[[str], bool], sha256: Callable[[Path], str]) -> str:
    """The commit, and the folder if it is one."""
    return location.partition("@")[2]


def access(location: str) -> Access:
    """The network, the token, and what the hub client reads of the environment."""
    names = ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT")
    return Access(network=True, environment=names)


def fetch(location: str, wanted: Callable[[str], bool], out: Path) -> Origin:
    """Download the wanted files of the commit.

    Raises:
        SpecError: HF_ENDPOINT or HF_TOKEN cannot be one.
        SourceError: the hub cannot be reached, refuses, or does not have the commit.
        IntegrityError: what arrived is not what the hub listed.
    """
    from huggingface_hub import hf_hub_url

    kind, repo, commit, folder = _parts(location)
    endpoint, headers = _endpoint(), _headers()
    listing = _listing(location, f"{endpoint}/api/{kind}s/{repo}/revision/{commit}", headers, out)
    if listing.sha != commit:
        raise SourceError(f"hf:{location}: the hub lists commit {listing.sha} instead")
    inside = [
        (name.removeprefix(folder), entry)
        for entry in listing.siblings
        if isinstance(name := entry.get("rfilename"), str) and name.startswith(folder)
    ]
    if folder and not inside:
        raise SourceError(f"hf:{location}: no folder {folder[:-1]!r} in the repository")
    files = [(name, _File.read(entry, location)) for name, entry in inside if wanted(name)]
    total_bytes = sum(file.size for _, file in files)
    _check_space(location, total_bytes, out)
    with progress.bar(total_bytes, location, "B") as bar:
        for name, file in files:
            where = f"hf:{location}: {file.rfilename}"
            path = out / name
            url = hf_hub_url(
                repo, file.rfilename, repo_type=kind, revision=commit, endpoint=endpoint
            )
            download(
                url, path, where=where, limit_bytes=file.size, headers=headers, arrived=bar.update
            )
            _check_file(file, path, where)
    return Origin(
        revision=commit,
        license=_license(listing.cardData or {}),
        sha256={name: file.lfs.sha256 for name, file in files if file.lfs},
    )


def commit_of(repo: str, revision: str, scratch: Path) -> str:
    """The commit that a branch or tag of a model repository is at, as the hub says today.

    Raises:
        SpecError: the repository or the revision cannot be one.
        SourceError: the hub cannot be reached, or does not have it.
    """
    if not _REVISION.fullmatch(revision):
        raise SpecError(f"hf:{repo}: revision {revision!r}: want a branch, a tag or a commit")
    _parts(f"{repo}@{'0' * 40}")
    url = f"{_endpoint()}/api/models/{repo}/revision/{revision}"
    return _listing(f"{repo}@{revision}", url, _headers(), scratch).sha


def _parts(location: str) -> tuple[str, str, str, str]:
    """What kind of repository, its name, commit, and folder with a slash behind; empty for all."""
    found = _LOCATION.fullmatch(location)
    if not found:
        raise SpecError(
            f"'hf:{location}': want hf:OWNER/NAME@COMMIT with all 40 hex digits of the commit "
            "(a branch or a tag can move), and behind it /FOLDER if the model lies in one; "
            "of a data set hf:datasets/OWNER/NAME@COMMIT"
        )
    folder = found["folder"].removeprefix("/")
    kind = "dataset" if found["datasets"] else "model"
    return kind, found["repo"], found["commit"], folder and f"{folder}/"


def _endpoint() -> str:
    """HF_ENDPOINT, or the public hub; not shown when refused, because it may hold a password."""
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if not _ENDPOINT.fullmatch(endpoint):
        raise SpecError("HF_ENDPOINT: want https://HOST without a user name; a token is HF_TOKEN")
    return endpoint.rstrip("/")


def _headers() -> dict[str, str]:
    """HF_TOKEN's; it is checked, because h11 quotes a header that it refuses."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise SpecError("HF_TOKEN: want printable ASCII without spaces")
    headers = {"Accept-Encoding": "identity"}  # a compressed answer cannot be resumed
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _listing(location: str, url: str, headers: dict[str, str], out: Path) -> _Listing:
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        path = Path(scratch) / "listing.json"
        download(
            f"{url}?blobs=true",
            path,
            where=f"hf:{location}: listing",
            limit_bytes=MAX_LISTING_BYTES,
            headers=headers,
        )
        return _Listing.read(path.read_bytes(), location)


def _check_space(location: str, want_bytes: int, out: Path) -> None:
    free_bytes = shutil.disk_usage(out).free
    if want_bytes > free_bytes:
        raise SourceError(
            f"hf:{location}: its files take {want_bytes} bytes: have {free_bytes} free on disk"
        )


def _check_file(file: _File, path: Path, where: str) -> None:
    """Hold a file against its listed size and, if it lies in git itself, git's hash."""
    size_bytes = path.stat().st_size
    if size_bytes != file.size:
        raise IntegrityError(f"{where}: {size_bytes} bytes: the hub listed {file.size}")
    if file.lfs:
        return
    blob = hashlib.sha1(f"blob {size_bytes}\0".encode(), usedforsecurity=False)
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, lambda: blob).hexdigest()
    if found != file.blobId:
        raise IntegrityError(f"{where}: git blob {found}: the hub listed {file.blobId}")


def _license(card: dict[str, Any]) -> str | None:
    """What the model card's metadata calls the license, or several, if that is a name."""
    stated = card.get("license")
    names = stated if isinstance(stated, list) else [stated]
    named = [name for name in names if isinstance(name, str) and _LICENSE.fullmatch(name)]
    return ", ".join(named) or None
