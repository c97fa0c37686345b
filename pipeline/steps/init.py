"""init: a repository of the user's own, made of the files that this project is built from itself.

Nothing that is there is overwritten: what differs is kept and said. All is read, compared and
written aside first, then git and DVC make the folder theirs, and last the files are moved in; what
was interrupted is completed by the same command.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import SpecError
from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.steps import _repository, _templates
from pipeline.steps._templates import DATA, DVC_CONFIG, DVCIGNORE, GRID, PARAMS

BEFORE = f"{GRID}.before"
IGNORED_BY_GIT = ("/artifacts/", "/.work/")
_HEADER = re.compile(rb"# Grid of openvino-ipfs-pipeline, version (\d+)\.")


def init(folder: Path) -> list[str]:
    """Make a folder a project; a line for each thing that was done, or kept though it differs.

    Inside a DVC repository that one is used, with its settings, and git is left as it is.

    Raises:
        SpecError: the folder is none, or one of its own lies in a file's place.
        ToolError: git or DVC is not there, failed or hung.
    """
    if folder.exists() and not folder.is_dir():
        raise SpecError(f"{folder}: a file; want a folder, or a name that is free")
    _repository.check_tools()
    files, kept = _compared(folder)
    ignored = {".gitignore": IGNORED_BY_GIT, DVCIGNORE: _lines(_templates.read(DVCIGNORE))}
    for name, lines in ignored.items():
        _lacking(folder / name, lines)  # it can be read, which is better known now
    folder.mkdir(parents=True, exist_ok=True)
    with atomic.building(Layout(folder).work, "init") as scratch:
        for name, content in files.items():
            (scratch / name).parent.mkdir(exist_ok=True)
            (scratch / name).write_bytes(content)
        made = _make_repository(folder)
        for name in files:
            atomic.publish(scratch / name, folder / name, replace=False)
    written = [f"{name}: written" for name in files]
    appended = [_append(folder / name, lines) for name, lines in ignored.items()]
    return [*made, *written, *filter(None, appended), *kept]


def update(folder: Path) -> list[str]:
    """Bring dvc.yaml to this version's, and keep the one that was there beside it.

    Raises:
        SpecError: it is not there, not ours, of a newer version, or there is no place to keep it.
    """
    path, before, new = folder / GRID, folder / BEFORE, _templates.read(GRID)
    if not path.exists():
        raise SpecError(f"{path}: not there; `ovpipe init` writes one")
    old = path.read_bytes()
    version, current = _version(old), _version(new)
    if version is None or current is None:
        raise SpecError(f"{path}: not ours: want its first line to be {_first_line(new)!r}")
    if version > current:
        raise SpecError(f"{path}: version {version}: this ovpipe has {current}; update that")
    if old == new:
        return [f"{GRID}: version {current} already"]
    if before.exists() and before.read_bytes() != old:
        raise SpecError(f"{before}: there already, and different; move it out of the way")
    with atomic.building(Layout(folder).work, "init") as scratch:
        for target, content in ((before, old), (path, new)):
            (scratch / target.name).write_bytes(content)
            atomic.publish(scratch / target.name, target)
    return [f"{GRID}: version {current} written; what was there, version {version}, is {BEFORE}"]


def _compared(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """The files that are to be written, and a line for each that is there and differs."""
    params = folder / PARAMS
    text = params.read_bytes() if os.path.lexists(params) else _templates.read(PARAMS)
    named = [name for name in DATA if name.encode() in text]
    files, kept = {}, []
    for name in (GRID, PARAMS, *named):
        path, content = folder / name, _templates.read(name)
        if path.parent.exists() and not path.parent.is_dir():
            raise SpecError(f"{path.parent}: a file; {name} wants a folder there")
        if not os.path.lexists(path):
            files[name] = content
        elif (there := path.read_bytes()) != content:
            kept.append(f"{name}: kept, {_difference(name, there)}")
    return files, kept


def _difference(name: str, there: bytes) -> str:
    if name != GRID:
        return "it differs from the default"
    if _version(there) is None:
        return "it is not ours: nothing here builds models; `ovpipe init` in a folder of its own"
    return f"it differs from version {_version(_templates.read(GRID))}: `ovpipe init --update`"


def _make_repository(folder: Path) -> list[str]:
    if _repository.in_dvc(folder):
        return []
    made = []
    if not _repository.in_git(folder):
        _repository.make_git(folder)
        made.append("git repository: made")
    _repository.make_dvc(folder, _templates.read(DVC_CONFIG))
    return [*made, "DVC repository: made"]


def _append(path: Path, lines: Iterable[str]) -> str:
    """Add the lines that a file lacks, and say which."""
    lacking = _lacking(path, lines)
    if not lacking:
        return ""
    there = path.read_bytes() if path.exists() else b""
    gap = "\n" if there and not there.endswith(b"\n") else ""
    with path.open("ab") as file:
        file.write((gap + "".join(f"{line}\n" for line in lacking)).encode())
    return f"{path.name}: {' '.join(lacking)} added"


def _lacking(path: Path, lines: Iterable[str]) -> list[str]:
    there = set(_lines(path.read_bytes())) if path.exists() else set()
    return [line for line in lines if line not in there]


def _lines(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode(errors="replace").splitlines()]


def _version(grid: bytes) -> int | None:
    """The version in the first line of a dvc.yaml of ours."""
    found = _HEADER.match(grid)
    return int(found[1]) if found else None


def _first_line(content: bytes) -> str:
    return content.partition(b"\n")[0].decode()
