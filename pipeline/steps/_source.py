"""A model's source as child processes get it: behind walls, and as a copy without ways out.

The parent opens a `child` that may read the files of the lock and the model's data, and hands it
`given`; the child calls `opened` before it lets anything parse.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.host import sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.spec import Model
from pipeline.steps import _view
from pipeline.steps.fetch import SourceLock

_DATA = ("calibration", "validation")


class Given(NamedTuple):
    """A source folder, the paths that its lock lists, and the model's entry with absolute paths."""

    folder: Path
    names: tuple[str, ...]
    model: dict[str, Any]


class Opened(NamedTuple):
    """The model's entry, the folder that parsers may see, and what was taken out of it."""

    model: Model
    folder: Path
    removed: tuple[str, ...]


def given(model: Model, layout: Layout) -> Given:
    """What a child is handed.

    Raises:
        EvidenceError: the source has not been fetched.
    """
    lock = SourceLock.read(layout.source_lock(model.name))
    return Given(
        layout.source(model.name).resolve(),
        tuple(entry.path for entry in lock.files),
        absolute(model).to_dict(),
    )


def absolute(model: Model) -> Model:
    """The model's entry with absolute paths: a child has another working folder."""
    return model.model_copy(update={name: str(_data(model, name)) for name in _DATA})


def child(
    model: Model,
    layout: Layout,
    *,
    scratch: Path,
    log: Path,
    reads: tuple[Path, ...] = (),
    env: Mapping[str, str] | None = None,
) -> sandbox.Child:
    """A child process that may read a model's source and data, and what else is named."""
    source = given(model, layout)
    files = [(source.folder / name).resolve() for name in source.names]
    data = [_data(model, name) for name in _DATA]
    return sandbox.Child(
        scratch=scratch,
        log=log,
        access=Access(reads=(source.folder, *files, *data, *reads)),
        limits=model.limits,
        env=env,
        foreign=bool(model.allow),
    )


def opened(source: Given) -> Opened:
    """In a child: the source as parsers may see it; relative paths lead into it from here on.

    Raises:
        ExportError: something that was taken out is needed.
    """
    model = Model.from_dict(source.model)
    folder = Path(tempfile.mkdtemp()) / "source"
    removed = _view.make(source.folder, source.names, folder, allow=model.allow)
    os.chdir(folder)
    return Opened(model, folder, removed)


def _data(model: Model, name: str) -> Path:
    return Path(getattr(model, name)).resolve()
