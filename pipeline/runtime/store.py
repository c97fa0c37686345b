"""The store: artifacts by CID, what is known of them, and what was compiled, of one user.

    OVPIPE_HOME/
      ir/<cid>/           an artifact; verified whenever it is read
      cache/<cid>/        what OpenVINO compiled of it (CACHE_DIR)
      build/<name>/       sources and exports of Hugging Face models that were built here
      partial/<cid>/      a transfer that broke off
      known/<name>.json   of a variant its CID and evidence, as of the project it was last loaded in
      names/<name>.json   what a Hugging Face name stands for: a commit, a CID
      used/               a file for each of the first four, locked while it is in use
      work/               locks, scratch, logs

What is in the first four goes when there is more than OVPIPE_HOME_MAX_GIB, the least recently used
first, and never what a process uses.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from pipeline.errors import ContentError, EvidenceError, PipelineError, SpecError
from pipeline.host import atomic, progress
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.gateway import Source
from pipeline.ipfs.identity import matching
from pipeline.ipfs.unixfs.exporter import whole
from pipeline.record import Record

VARIABLE, CAP_VARIABLE = "OVPIPE_HOME", "OVPIPE_HOME_MAX_GIB"
DEFAULT_CAP_GIB = 50.0
ARTIFACT = "openvino_artifact.json"  # what tells an artifact from other folders on IPFS
KINDS = ("ir", "cache", "build", "partial")
_MAX_NAME = 200  # bytes, which leaves room for endings
R = TypeVar("R", bound=Record)


class Swept(Record):
    """What is in the store, and what was removed of it."""

    path: str
    cap_bytes: int
    kept: int
    kept_bytes: int
    removed: tuple[str, ...]
    removed_bytes: int


class Item(NamedTuple):
    """Something that can be had again."""

    kind: str
    name: str
    size_bytes: int
    used: float


class Store:
    """The folder of a store; it is made when something is put into it.

    Raises:
        SpecError: others could put something into it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        if self.home.exists():
            _check_owner(self.home)

    @classmethod
    def usual(cls) -> "Store":
        """OVPIPE_HOME, or `ovpipe` in the user's cache folder."""
        if told := os.environ.get(VARIABLE):
            return cls(Path(told))
        told = os.environ.get("XDG_CACHE_HOME", "")
        caches = Path(told) if Path(told).is_absolute() else Path.home() / ".cache"
        return cls(caches / "ovpipe")

    def folder(self, kind: str, name: str = "") -> Path:
        """A folder of the store, made if it is not there; nobody else may look into it.

        Raises:
            SpecError: it cannot be made.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.home / kind / name
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as e:
            raise SpecError(f"{self.home}: cannot be written: {e.strerror}: set {VARIABLE}") from e
        return path

    def compiled(self, cid: str) -> Path:
        """Where OpenVINO keeps what it compiled of an artifact (CACHE_DIR)."""
        name = key(Cid.parse(cid))
        self.lease("cache", name).close()
        return self.folder("cache", name)

    def __contains__(self, cid: Cid) -> bool:
        return (self.home / "ir" / key(cid)).is_dir()

    def bring(self, cid: Cid, sources: Sequence[Source] | None = None) -> Path:
        """Where an artifact lies, pulled first if it is not here; whoever reads it verifies it.

        Args:
            cid: which; the caller has its `lease`.
            sources: who may have it; by default those of OVPIPE_GATEWAYS.

        Raises:
            PipelineError: it cannot be had, as `ipfs.pull.pull` says.
        """
        if cid not in self:
            self._pull(cid, sources)
        return self.home / "ir" / key(cid)

    def drop(self, cid: Cid) -> None:
        """Remove an artifact that is damaged, unless it is in use."""
        if cid in self:
            self._remove("ir", key(cid))

    def keep(self, folder: Path, cid: Cid) -> None:
        """Put a folder there under its CID, by hard links where they can be had.

        A file that is written to in place later is noticed when it is read here.
        """
        with self._scratch(key(cid)) as scratch:
            if cid in self:
                return
            _linked(folder, scratch / "built")
            self._publish(scratch / "built", cid)

    def take(self, folder: Path, cid: Cid) -> None:
        """`keep` an artifact that is elsewhere too; that there is no room for it is no failure."""
        if cid in self or not (folder / ARTIFACT).is_file():
            return
        try:
            self.keep(folder, cid)
            self.sweep()
        except (OSError, PipelineError) as e:
            progress.note(f"{cid} is not kept in the store: {e}")

    def give(self, cid: Cid, out: Path) -> bool:
        """Write an artifact that is here to another place; whether it is here, undamaged."""
        if cid not in self or os.path.lexists(out):
            return False
        try:
            with self.lease("ir", key(cid)), whole(out) as built:
                shutil.copytree(self.home / "ir" / key(cid), built, symlinks=True)
                matching(built, cid)
        except ContentError:
            return False
        return True

    def lease(self, kind: str, name: str) -> IO[str]:
        """What keeps something from being swept until it is closed, or nobody has it any more."""
        import fcntl

        held = self._mark(kind, name).open("w")
        os.utime(held.fileno())
        fcntl.flock(held, fcntl.LOCK_SH)
        return held

    def note(self, kind: str, name: str, record: Record) -> None:
        """Note a record under a name."""
        path = self._noted(kind, name)
        if self.noted(kind, name, type(record)) != record:
            self.folder(kind)
            with self._scratch(path.name) as scratch:
                (scratch / path.name).write_text(record.json(), encoding="utf-8")
                atomic.publish(scratch / path.name, path)

    def noted(self, kind: str, name: str, record: type[R]) -> R | None:
        """What was noted under a name; None also if a former version of this project did."""
        try:
            return record.read(self._noted(kind, name))
        except EvidenceError:
            return None

    def names(self, kind: str) -> list[str]:
        """What records of a kind are noted under."""
        folder = self.home / kind
        paths = folder.glob("*.json") if folder.is_dir() else ()
        return sorted(unquote(path.name.removesuffix(".json")) for path in paths)

    def _noted(self, kind: str, name: str) -> Path:
        return self.home / kind / f"{file_name(name)}.json"

    def sweep(self) -> Swept:
        """Bring the store down to its cap."""
        cap_bytes = _cap_bytes()
        items = sorted(self._items(), key=lambda item: item.used)
        total_bytes = sum(item.size_bytes for item in items)
        removed: list[Item] = []
        for item in items:
            left_bytes = total_bytes - sum(gone.size_bytes for gone in removed)
            if left_bytes <= cap_bytes:
                break
            if self._remove(item.kind, item.name):
                removed.append(item)
        removed_bytes = sum(item.size_bytes for item in removed)
        return Swept(
            path=str(self.home),
            cap_bytes=cap_bytes,
            kept=len(items) - len(removed),
            kept_bytes=total_bytes - removed_bytes,
            removed=tuple(f"{item.kind}/{item.name}" for item in removed),
            removed_bytes=removed_bytes,
        )

    def _items(self) -> Iterator[Item]:
        for kind in KINDS:
            folder = self.home / kind
            for path in folder.iterdir() if folder.is_dir() else ():
                mark = self._mark(kind, path.name)
                used = (mark if mark.exists() else path).stat().st_mtime
                yield Item(kind, path.name, _size_bytes(path), used)

    def _mark(self, kind: str, name: str) -> Path:
        """The file that is locked while something is in use, with an artifact what is compiled."""
        return self.folder("used") / (name if kind in ("ir", "cache") else f"{kind}-{name}")

    def _remove(self, kind: str, name: str) -> bool:
        """Remove what nobody uses, in one step as others see it; whether it is gone."""
        import fcntl

        with self._mark(kind, name).open("a") as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            with self._scratch(f"removed-{kind}-{name}") as scratch, suppress(FileNotFoundError):
                (self.home / kind / name).rename(scratch / "removed")
        return True

    def _pull(self, cid: Cid, sources: Sequence[Source] | None) -> None:
        from pipeline.ipfs.gateway import usual_sources
        from pipeline.ipfs.pull import pull

        with self.lease("partial", key(cid)):
            partial = self.folder("partial", key(cid))
            pull(cid, partial / "content", sources or usual_sources())
            with self._scratch(key(cid)):
                if cid not in self:
                    self._publish(partial / "content", cid)
            shutil.rmtree(partial, ignore_errors=True)
        self.sweep()

    def _publish(self, built: Path, cid: Cid) -> None:
        atomic.publish(built, self.folder("ir") / key(cid), replace=False)

    def _scratch(self, name: str) -> AbstractContextManager[Path]:
        return atomic.building(self.folder("work"), name)


def file_name(name: str) -> str:
    """A name as that of a file; what is too long for one ends with a digest instead."""
    quoted = quote(name, safe="@")
    if len(quoted) <= _MAX_NAME:
        return quoted
    return f"{quoted[: _MAX_NAME - 65]}-{hashlib.sha256(quoted.encode()).hexdigest()}"


def key(cid: Cid) -> str:
    """The one spelling of a CID under which it lies in the store."""
    return str(Cid(1, cid.codec, cid.digest))


def _linked(folder: Path, out: Path) -> None:
    """The same files at another place, which share their bytes where the file system can."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:
            shutil.copyfile(source, target, follow_symlinks=False)

    shutil.copytree(folder, out, symlinks=True, copy_function=link)


def _size_bytes(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _cap_bytes() -> int:
    told = os.environ.get(CAP_VARIABLE, "")
    try:
        gib = float(told or DEFAULT_CAP_GIB)
    except ValueError:
        gib = -1.0
    if not gib >= 0:
        raise SpecError(f"{CAP_VARIABLE}: {told!r}: want a number of GiB")
    return int(min(gib, 2.0**30) * 2**30)


def _check_owner(home: Path) -> None:
    found = home.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SpecError(
            f"{home}: others could write to it: want a folder of your own, chmod 700, or set "
            f"{VARIABLE}"
        )
