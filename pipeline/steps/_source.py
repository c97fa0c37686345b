"""A model's source as child processes get it: behind walls, and as a copy without ways out.

The parent opens a `child` that may read the files of the lock and the model's data, and hands it
`given`; the child calls `opened` before it lets anything parse.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline import factory
from pipeline.errors import CrashError
from pipeline.host import sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.spec import Model
from pipeline.steps import _data, _view


class Given(NamedTuple):
    """What a child is handed of a model.

    Args:
        model: its entry, with absolute paths: a child has another working folder.
        folder: its source.
        names: the paths in it that its lock lists.
        made_of: the code of the user's own that makes its network.
    """

    model: Model
    folder: Path
    names: tuple[str, ...]
    made_of: factory.Code = factory.Code()


class Opened(NamedTuple):
    """The model's entry, the folder that parsers may see, and what was taken out of it."""

    model: Model
    folder: Path
    removed: tuple[str, ...]


def given(model: Model, layout: Layout) -> Given:
    """What a child is handed of a model.

    Raises:
        EvidenceError: the source has not been fetched.
    """
    lock = SourceLock.read(layout.source_lock(model.name))
    names = tuple(entry.path for entry in lock.files)
    folder, made_of = layout.source(model.name).resolve(), factory.code(model.factory)
    return Given(_data.located(model, layout), folder, names, made_of)


def child(
    source: Given, *, scratch: Path, log: Path, env: Mapping[str, str] | None = None
) -> sandbox.Child:
    """A child process that may read a model's source and data, and what its factory is made of."""
    files = [(source.folder / name).resolve() for name in source.names]
    data = [Path(given.place) for given in source.model.data.values()]
    return sandbox.Child(
        scratch=scratch,
        log=log,
        access=Access(reads=(source.folder, *files, *data, *_modules(source.made_of))),
        limits=source.model.limits,
        env=env,
        foreign=bool(source.model.allow),
    )


@contextmanager
def crashes(what: str, model: Model) -> Iterator[None]:
    """Says of a crash which model's files a library crashed over.

    Args:
        what: what was called of the model's format, as `converter`.
        model: its entry.
    """
    try:
        yield
    except CrashError as e:
        told = f"models.{model.name}: the {what} of {model.format} crashed over {model.source}"
        raise CrashError(f"{told}: {e}") from e


def opened(source: Given) -> Opened:
    """In a child: the source as parsers may see it; relative paths lead into it from here on.

    Raises:
        ExportError: something that was taken out is needed.
    """
    folder = Path(tempfile.mkdtemp()) / "source"
    removed = _view.make(source.folder, source.names, folder, allow=source.model.allow)
    os.chdir(folder)
    factory.importable(source.made_of)
    return Opened(source.model, folder, removed)


def _modules(made_of: factory.Code) -> list[Path]:
    """Its files alone: a package's folder may hold anything."""
    return [file for file in made_of.files.values() if file.is_file()]
