"""Which code decides a cell: the import closure of the modules that it starts from, as one digest.

Of every module the syntax tree counts, without docstrings, comments and what only type checkers
read; the digest is the same under every Python that can parse it. A package counts with its own
statements where something in it is imported, and with what it imports where it is imported itself.
Modules that cannot change what a cell writes are left out, and so is what only they import.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from pipeline import imports

if TYPE_CHECKING:
    from pipeline.host.digests import Memory

# What may change without a cell being run again, and why.
_HELD = "holds a process in: it can stop it, not change what it writes"
_SEEN = "what a person sees"
LEFT_OUT = {
    "pipeline.check": "refuses params.yaml before anything runs, and changes nothing in it",
    "pipeline.grid": "which cells there are, as dvc.yaml says too",
    "pipeline.imports": "finds what a factory is made of, whose digests the plan has themselves",
    "pipeline.interface": "refuses a member that lacks something, and changes nothing in it",
    "pipeline.layout": "where outputs lie, as dvc.yaml says too",
    "pipeline.host.kernel": _HELD,
    "pipeline.host.landlock": _HELD,
    "pipeline.host.lifetime": _HELD,
    "pipeline.host.memory": _HELD,
    "pipeline.host.namespaces": _HELD,
    "pipeline.host.seccomp": _HELD,
    "pipeline.host.tree": _HELD,
    "pipeline.host.walls": _HELD,
    "pipeline.host.progress": _SEEN,
    "pipeline.host.terminal": _SEEN,
}
_TARGET = re.compile(r"(pipeline(?:\.\w+)+):\w+")  # what a child process is asked to call


class Code:
    """The modules of the pipeline and of the user's own kinds.

    Args:
        files: where each module lies, by its name; of a package its `__init__.py`.
        memory: where it is remembered what a module's text comes to.
    """

    def __init__(self, files: Mapping[str, Path], memory: "Memory") -> None:
        self._files, self._memory = files, memory
        ways = b"".join(Path(file).read_bytes() for file in (__file__, str(imports.__file__)))
        self._way = hashlib.sha256(ways).hexdigest()
        self._parsed: dict[str, tuple[str, frozenset[str]]] = {}
        self._digests: dict[frozenset[str], str] = {}

    def digest(self, modules: Iterable[str]) -> str:
        """The digest of a closure, in hex."""
        asked = frozenset(modules)
        if asked not in self._digests:
            self._digests[asked] = self._digest(asked)
        return self._digests[asked]

    def _digest(self, modules: frozenset[str]) -> str:
        closure = self.closure(modules)
        around = {package for name in closure for package in _around(name)} & self._files.keys()
        lines = [f"{name} {self._read(name)[0]}" for name in sorted(closure | around)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def closure(self, modules: Iterable[str]) -> set[str]:
        """The modules and all that they import."""
        found: set[str] = set()
        pending = list(modules)
        while pending:
            name = pending.pop()
            if name not in self._files:
                name = name.rpartition(".")[0]  # a name in a module, not a module
            if name in found or name in LEFT_OUT or name not in self._files:
                continue
            found.add(name)
            pending += self._read(name)[1]
        return found

    def _read(self, name: str) -> tuple[str, frozenset[str]]:
        """The digest of a module, and the modules that it imports."""
        if name not in self._parsed:
            file = self._files[name]
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            self._parsed[name] = self._remembered(file.read_bytes(), package)
        return self._parsed[name]

    def _remembered(self, source: bytes, package: str) -> tuple[str, frozenset[str]]:
        """As `parse`; what is remembered holds for this text in this package, read in this way."""
        key = f"code {hashlib.sha256(source).hexdigest()} {package} {self._way}"
        known = self._memory.get(key)
        if known is None:
            digest, found = parse(source, package)
            self._memory.keep(key, [digest, sorted(found)])
            return digest, found
        return str(known[0]), frozenset(known[1])


def parse(source: bytes, package: str) -> tuple[str, frozenset[str]]:
    """The digest of a module's syntax tree, and what it imports.

    Args:
        source: its text.
        package: the package that it lies in, from which relative imports count.

    Raises:
        SyntaxError: it is not Python.
    """
    tree = ast.parse(source)
    words: list[str] = []
    _spell(tree, words)
    return hashlib.sha256("\0".join(words).encode()).hexdigest(), frozenset(_imports(tree, package))


def spelt(file: Path, module: str) -> str:
    """The digest of a module that anybody wrote; of its bytes, where it is not Python."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    try:
        return parse(file.read_bytes(), package)[0]
    except (SyntaxError, ValueError):
        return hashlib.sha256(file.read_bytes()).hexdigest()


def _spell(node: ast.AST, words: list[str]) -> None:
    """A tree as words: the kind of each node and its fields that hold something."""
    words.append(type(node).__name__)
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            value = _counted(node, field, value)
        if value is None or value == []:
            continue  # a field that only some versions of Python have is empty where we use it
        words.append(field)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                _spell(part, words)
            else:
                words.append(repr(part))
    words.append("end")


def _counted(node: ast.AST, field: str, parts: list[Any]) -> list[Any]:
    """Of the parts of a node's field, those that do something."""
    if isinstance(node, ast.JoinedStr):  # Python 3.12.1 makes empty texts in some f-strings
        return [part for part in parts if not _is_text(part) or part.value]
    if field != "body":
        return parts
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    if documented and parts and isinstance(parts[0], ast.Expr) and _is_text(parts[0].value):
        parts = parts[1:]
    return [statement for statement in parts if not imports.is_for_types(statement)]


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The names of modules that may be imported; some are names in modules instead."""
    yield from imports.named(tree, package)
    for node in imports.executed(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _TARGET.findall(node.value)


def _around(name: str) -> Iterator[str]:
    """The packages that a module lies in."""
    while name := name.rpartition(".")[0]:
        yield name


def modules(packages: Mapping[str, Iterable[Path]]) -> dict[str, Path]:
    """The modules below some packages, by name.

    Args:
        packages: the folders of each package by its name; what lies in the first goes before.
    """
    found: dict[str, Path] = {}
    for package, folders in packages.items():
        for folder in folders:
            for file in sorted(folder.rglob("*.py")):
                parts = file.relative_to(folder).with_suffix("").parts
                inner = parts[:-1] if parts[-1] == "__init__" else parts
                found.setdefault(".".join([package, *inner]), file)
    return found
