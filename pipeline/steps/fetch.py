"""fetch: the files of one pinned revision, and a lock of their sizes and hashes.

So for the model, and for each of its data sets that a source kind has; data are only ever read.

A source kind copies what is wanted in a child process; here every name was checked before and
every byte is hashed after, against what the origin and the model's entry said.
"""

import fnmatch
from collections.abc import Callable, Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline import kinds, manifest
from pipeline.errors import IntegrityError, LibraryError, SourceError, UnfitError
from pipeline.host import atomic, sandbox
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.record import Record, to_json
from pipeline.sources import Origin
from pipeline.spec import DATA_ENDINGS, MODEL_ENDINGS, Data, Model
from pipeline.steps import _contents, _nested

# What may hold weights, in a format that is not read here or at a place that is not looked at.
_WEIGHTS = (*MODEL_ENDINGS, ".bin", ".ckpt", ".h5", ".msgpack", ".pdiparams")
_WHOLE = (".onnx", ".tflite", ".pdmodel")  # of these, what holds a network too
_SHOWN = 5
_FILES = "files"  # in the folder that a child may write to
DATA_LOCKS = "lock.json"  # beside the folders of the data sets


class _Place(NamedTuple):
    """Where files come from, as it is written in params.yaml and taken apart."""

    whole: str
    kind: str
    location: str


def fetch(model: Model, layout: Layout) -> SourceLock:
    """Fill artifacts/source/<model> and artifacts/data/<model>, and write their locks.

    Raises:
        SourceError: the origin does not have it.
        UnfitError: it has no weights; a file is not what its name says; or code may run, and
            neither the source nor the model's entry pins it by a hash.
        IntegrityError: what arrived is not what the origin or the model's entry said.
        SandboxError: the origin keeps its fetcher busy beyond the limits.
    """
    with atomic.building(layout.work, f"source/{model.name}") as scratch:
        made = atomic.folder(scratch / "made")
        place = _Place(model.source, model.source_kind, model.source_location)
        lock = _bring(place, "collect", model, model, made, layout)
        data = _data_of(model, scratch, layout)
        written = scratch / "lock.json"
        written.write_text(lock.json())
        atomic.publish(made / _FILES, layout.source(model.name))
        atomic.publish(written, layout.source_lock(model.name))
        atomic.publish(data, layout.data(model.name))
    return lock


def _data_of(model: Model, scratch: Path, layout: Layout) -> Path:
    """A folder with the data sets that lie elsewhere, and the locks of all."""
    folder, locks = atomic.folder(scratch / "data"), {}
    for field, data in model.data.items():
        if data.kind:
            made = atomic.folder(scratch / field)
            place = _Place(data.place, data.kind, data.location)
            locks[field] = _bring(place, "collect_data", data, model, made, layout).to_dict()
            (made / _FILES).rename(folder / field)
    (folder / DATA_LOCKS).write_text(to_json(locks))
    return folder


def _bring(
    place: _Place, collecting: str, entry: Record, model: Model, made: Path, layout: Layout
) -> SourceLock:
    """Let a child fill a folder from a place; what is in it then, as the origin stated it."""
    files = made / _FILES
    with sandbox.Child(
        scratch=made,
        log=layout.log(f"fetch-{model.name}"),
        access=kinds.load("source", place.kind).access(place.location),
        limits=model.limits,
        cwd=Path.cwd(),
    ) as child:
        here = "pipeline.steps.fetch"
        try:
            origin = child.call(f"{here}:{collecting}", entry.to_dict(), files, returns=Origin)
        except LibraryError as e:  # what a place does today says nothing of tomorrow
            raise SourceError(f"{place.whole}: {e}") from e
        lock = _lock(place.whole, files, origin)
        if entry is model:
            _check_digest(model, manifest.digest(lock.files))
        child.call(f"{here}:examine", place.whole, files, returns=type(None))
    return lock


def collect(fields: dict[str, object], out: Path) -> dict[str, object]:
    """In a child: let the source kind copy the wanted files into a new folder."""
    model = Model.from_dict(fields)
    out.mkdir()
    source, wanted = kinds.load("source", model.source_kind), wanted_by(model)
    offered: set[str] = set()

    def noted(path: str) -> bool:
        offered.add(path)
        return wanted(path)

    origin: Origin = source.fetch(model.source_location, noted, out)
    _check_weights(model, list(_files(out)), offered)
    return origin.to_dict()


def collect_data(fields: dict[str, object], out: Path) -> dict[str, object]:
    """In a child: let the source kind copy the files of a data set into a new folder."""
    data = Data.from_dict(fields)
    out.mkdir()
    source = kinds.load("source", data.kind)
    origin: Origin = source.fetch(data.location, wanted_of(data), out)
    if not _files(out):
        what = f"file {data.file!r}" if data.file else f"data ({', '.join(DATA_ENDINGS)})"
        raise UnfitError(f"{data.place}: no {what} in it")
    return origin.to_dict()


def examine(source: str, folder: Path) -> None:
    """In a child: hold every file against its name."""
    for name, path in _files(folder).items():
        _contents.check(path, f"{source}: {name}")


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in paths}


def patterns(model: Model) -> tuple[str, ...]:
    """The names of the files that the model's format and task need."""
    exporter, task = kinds.load("format", model.format), kinds.load("task", model.task)
    return (*exporter.files(model), *task.FILES, *model.beside)


def wanted_by(model: Model) -> Callable[[str], bool]:
    """Whether the model's format or task needs the file of a path; hidden files are never."""
    wanted = patterns(model)

    def needs(path: str) -> bool:
        names = (path, _nested.flat(path))
        known = any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in wanted)
        return is_plain(path) and not _is_hidden(path) and known

    return needs


def wanted_of(data: Data) -> Callable[[str], bool]:
    """Whether the file of a path belongs to a data set: it is the one, or ends as data do."""

    def belongs(path: str) -> bool:
        fits = path == data.file if data.file else path.endswith(DATA_ENDINGS)
        return is_plain(path) and not _is_hidden(path) and fits

    return belongs


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def is_plain(path: str) -> bool:
    """Whether a path from outside stays inside its folder on every system."""
    parts = path.split("/")
    return (
        not any(part in ("", ".", "..") for part in parts)
        and not any(ord(character) < 32 or character in '\\:*?"<>|' for character in path)
        and not PurePosixPath(path).is_absolute()
    )


def _lock(source: str, files: Path, origin: Origin) -> SourceLock:
    entries = manifest.of_folder(files)
    for entry in entries:
        stated = origin.sha256.get(entry.path, entry.sha256)
        if entry.sha256 != stated:
            raise IntegrityError(
                f"{source}: {entry.path}: sha256 {entry.sha256}: the origin said {stated}"
            )
    return SourceLock(
        source=source, revision=origin.revision, license=origin.license, files=entries
    )


def _check_weights(model: Model, names: Collection[str], offered: Collection[str]) -> None:
    """Refuse what holds no checkpoint, with what the source offers instead."""
    exporter = kinds.load("format", model.format)
    right = exporter.weights(model)
    if _checkpoint(right, names):
        return
    with_pickles = model.model_copy(update={"allow": ("pickle",)})
    pickles = [together for together in exporter.weights(with_pickles) if together not in right]
    if pickled := _checkpoint(pickles, offered):
        pinned = kinds.load("source", model.source_kind).PINNED
        way = "allow: [pickle]" if pinned else "allow: [pickle] and the folder's sha256 beside it"
        raise UnfitError(
            f"{model.source}: {pickled}: the only weights are a pickle, which can run code: "
            f"want {way}, or the weights as model.safetensors"
        )
    want = " or ".join(" with ".join(together) for together in right)
    raise UnfitError(f"{model.source}: no weights: want {want}{_instead(model, offered)}")


def _instead(model: Model, offered: Collection[str]) -> str:
    """What there is of other weights, and how the first of them is brought."""
    has = sorted(path for path in offered if path.endswith(_WEIGHTS))[:_SHOWN]
    brings = next((path for path in has if path.endswith(_WHOLE)), "")
    way = f": files: {brings} and no format: brings that" if brings and not model.networks else ""
    return f"; has {has}{way}" if has else ""


def _checkpoint(right: Iterable[tuple[str, ...]], names: Collection[str]) -> str:
    """The file with which the first whole checkpoint begins; empty if there is none."""
    flat = {_nested.flat(name): name for name in names}
    for together in right:
        found = [fnmatch.filter(flat, pattern) for pattern in together]
        if all(found):
            return flat[found[0][0]]
    return ""


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
