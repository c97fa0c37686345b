"""fetch: the files of one pinned revision, and a lock of their sizes and hashes.

A source kind copies what is wanted in a child process; here every name was checked before and
every byte is hashed after, against what the origin and the model's entry said.
"""

from collections.abc import Callable, Set
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline import kinds, manifest
from pipeline.errors import IntegrityError, LibraryError, SourceError, UnfitError
from pipeline.host import atomic, sandbox
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.sources import Origin
from pipeline.spec import Model


def fetch(model: Model, layout: Layout) -> SourceLock:
    """Fill artifacts/source/<model> and write its lock.

    Raises:
        SourceError: the origin does not have it.
        UnfitError: it has no weights; or code may run, and neither the source nor the model's entry
            pins it by a hash.
        IntegrityError: what arrived is not what the origin or the model's entry said.
        SandboxError: the origin keeps its fetcher busy beyond the limits.
    """
    with atomic.building(layout.work, f"source/{model.name}") as scratch:
        made = atomic.folder(scratch / "made")
        files = made / "files"
        try:
            origin = sandbox.run(
                "pipeline.steps.fetch:collect",
                model.to_dict(),
                files,
                returns=Origin,
                scratch=made,
                log=layout.log(f"fetch-{model.name}"),
                access=kinds.load("source", model.source_kind).access(model.source_location),
                limits=model.limits,
                cwd=Path.cwd(),
            )
        except LibraryError as e:  # what a place does today says nothing of tomorrow
            raise SourceError(f"{model.source}: {e}") from e
        lock = _lock(model, files, origin)
        written = scratch / "lock.json"
        written.write_text(lock.json())
        atomic.publish(files, layout.source(model.name))
        atomic.publish(written, layout.source_lock(model.name))
    return lock


def collect(fields: dict[str, object], out: Path) -> dict[str, object]:
    """In a child: let the source kind copy the wanted files into a new folder."""
    model = Model.from_dict(fields)
    out.mkdir()
    source = kinds.load("source", model.source_kind)
    origin: Origin = source.fetch(model.source_location, wanted_by(model), out)
    return origin.to_dict()


def patterns(model: Model) -> tuple[str, ...]:
    """The names of the files that the model's format and task need."""
    exporter, task = kinds.load("format", model.format), kinds.load("task", model.task)
    return (*exporter.files(model.allow), *task.FILES)


def wanted_by(model: Model) -> Callable[[str], bool]:
    """Whether the model's format or task needs the file of a path; hidden files are never."""
    wanted = patterns(model)

    def needs(path: str) -> bool:
        hidden = any(part.startswith(".") for part in path.split("/"))
        return is_plain(path) and not hidden and any(fnmatchcase(path, p) for p in wanted)

    return needs


def is_plain(path: str) -> bool:
    """Whether a path from outside stays inside its folder on every system."""
    parts = path.split("/")
    return (
        not any(part in ("", ".", "..") for part in parts)
        and not any(ord(character) < 32 or character in '\\:*?"<>|' for character in path)
        and not PurePosixPath(path).is_absolute()
    )


def _lock(model: Model, files: Path, origin: Origin) -> SourceLock:
    entries = manifest.of_folder(files)
    _check_weights(model, {entry.path for entry in entries})
    for entry in entries:
        stated = origin.sha256.get(entry.path, entry.sha256)
        if entry.sha256 != stated:
            raise IntegrityError(
                f"{model.source}: {entry.path}: sha256 {entry.sha256}: the origin said {stated}"
            )
    _check_digest(model, manifest.digest(entries))
    return SourceLock(
        source=model.source, revision=origin.revision, license=origin.license, files=entries
    )


def _check_weights(model: Model, names: Set[str]) -> None:
    """Refuse what holds no checkpoint; pickles that are not allowed were not even looked for."""
    exporter = kinds.load("format", model.format)
    right = exporter.weights(model.allow)
    if not any(all(map(_in(names), together)) for together in right):
        want = " or ".join(" with ".join(together) for together in right)
        pickles = [t[0] for t in exporter.weights(("pickle",)) if t not in right]
        hint = f"; {' or '.join(pickles)} would want allow: [pickle]" if pickles else ""
        raise UnfitError(f"{model.source}: no weights: want {want}{hint}")


def _in(names: Set[str]) -> Callable[[str], bool]:
    """Whether a pattern fits one of the names."""
    return lambda pattern: any(fnmatchcase(name, pattern) for name in names)


def _check_digest(model: Model, digest: str) -> None:
    """Hold what arrived against the model's entry, which must pin what no location pins."""
    where = f"models.{model.name}"
    if model.sha256 is None:
        if model.allow and not kinds.load("source", model.source_kind).PINNED:
            raise UnfitError(
                f"{where}.allow: {list(model.allow)} wants the folder's digest beside it: "
                f"sha256: {digest}"
            )
    elif model.sha256 != digest:
        raise IntegrityError(
            f"{where}.sha256: {model.sha256}: {model.source} holds files of sha256 {digest}"
        )
