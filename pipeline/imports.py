"""What code imports, from its syntax tree; and whether a member names the distributions among it.

Versions decide results, and a cell runs again when those that its member names change (TOOLCHAIN,
and of a task RUNS_WITH and JUDGED_WITH): so these must be complete. An import counts wherever it
stands, in the member's file and in those of its family that it imports, but not under
`if TYPE_CHECKING`. What is imported by a name made at run time is not seen.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TypeGuard

from pipeline import interface, kinds
from pipeline.errors import SpecError

# These cannot change what a member computes, so they need not be named.
LEFT_OUT = {
    "click": "reads a command line",
    "pydantic": "checks types",
    "pydantic-core": "checks types",
    "ruamel-yaml": "reads params.yaml, whose contents count themselves",
    "tqdm": "shows progress",
    "typing-extensions": "names types",
}
_FOR_TYPES = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
_NAMED_IN = ("TOOLCHAIN", "RUNS_WITH", "JUDGED_WITH")


def unnamed(family: str, name: str) -> list[str]:
    """A line for each distribution that a member imports and does not name.

    None for a family without TOOLCHAIN: it decides no bytes of an artifact.

    Raises:
        SpecError: the member cannot be loaded, or what it imports cannot be parsed.
    """
    member = kinds.load(family, name)
    lists = [key for key in _NAMED_IN if hasattr(member, key)]
    if "TOOLCHAIN" not in lists:
        return []
    named = {_normal(entry) for key in lists for entry in getattr(member, key)}
    path = kinds.file(family, name)
    where, wanted = interface.shown(path), _either(lists)
    lines = []
    for module, file in sorted(modules(path).items()):
        candidates = distributions(module)
        if not {_normal(entry) for entry in candidates} & {*named, *LEFT_OUT}:
            through = "" if file == path else f" (in {file.name})"
            lines.append(f"{where} imports {candidates[0]}{through}: want it in {wanted}")
    return lines


def modules(path: Path) -> dict[str, Path]:
    """The top-level modules, not of Python or ours, that a member's code imports; and one file."""
    found: dict[str, Path] = {}
    package = f"pipeline.{path.parent.name}"
    seen, waiting = {path}, [path]
    while waiting:
        file = waiting.pop()
        for imported in _imported(file, package):
            top = imported.partition(".")[0]
            if imported.startswith(f"{package}."):
                beside = _beside(imported.split(".")[2], path.parent.name)
                waiting += beside - seen
                seen |= beside
            elif top not in {"pipeline", *sys.stdlib_module_names}:
                found.setdefault(top, file)
    return found


def _beside(stem: str, folder: str) -> set[Path]:
    """The file of a family that has this name, member or shared, as Python finds it."""
    files = [place / f"{stem}.py" for place in kinds.places(folder)]
    return set([file for file in files if file.is_file()][:1])


def named(tree: ast.AST, package: str) -> Iterator[str]:
    """What a module may import, by dotted name; of `from a import b` it is `a.b`.

    Args:
        tree: the module.
        package: the package that it lies in, from which relative imports count.
    """
    for node in executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            around = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*around, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree without what only type checkers read."""
    yield node
    for child in node.orelse if is_for_types(node) else ast.iter_child_nodes(node):
        yield from executed(child)


def is_for_types(node: ast.AST) -> TypeGuard[ast.If]:
    """Whether a statement is `if TYPE_CHECKING`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in _FOR_TYPES


def _imported(file: Path, package: str) -> Iterator[str]:
    """What a file imports, as of `named`."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as e:
        where = f"{interface.shown(file)}:{getattr(e, 'lineno', None) or 1}"
        raise SpecError(f"{where}: {type(e).__name__}: {getattr(e, 'msg', e)}") from e
    yield from named(tree, package)


def distributions(module: str) -> list[str]:
    """The distributions that a top-level module comes from; itself, if no one says."""
    return list(_distributions().get(module, [module]))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions of each top-level module; several for a namespace."""
    return metadata.packages_distributions()


def _normal(name: str) -> str:
    """A distribution's name in its one spelling (PyPA, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _either(names: list[str]) -> str:
    """`TOOLCHAIN`, or `TOOLCHAIN, RUNS_WITH or JUDGED_WITH`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
