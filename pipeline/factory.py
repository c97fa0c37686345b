"""A model's `factory`, as `nets.lite0:make`: a function of code that the user can change.

Its module lies in the project, or in an installed package. Of the project counts that module, with
what it imports of the project, wherever an import stands: it decides results, and nothing else of
the project can be imported where the function is called, for a child process has another working
folder and no project on its path. A name that is made at run time is not seen.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import imports
from pipeline.errors import SpecError

EXAMPLE = "nets.lite0:make"
_WHOLE = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")
# What a folder of the project never stands in for: Python's own, ours, and what calls the function.
_NOT_ITS_OWN = {*sys.stdlib_module_names, "pipeline", "stages", "torch"}


class Code(NamedTuple):
    """What a factory is made of.

    Args:
        files: the modules that are the user's own, by name: absolute paths; of a package its
            `__init__.py`, or the folder where it has none.
        libraries: the top-level modules that it imports of others.
    """

    files: Mapping[str, Path] = {}
    libraries: frozenset[str] = frozenset()


def parts(factory: str) -> tuple[str, str]:
    """The names of the module and of the function.

    Raises:
        SpecError: it is something else.
    """
    found = _WHOLE.fullmatch(factory)
    if found is None:
        raise SpecError(f"factory: {factory!r}: want MODULE:FUNCTION, as {EXAMPLE}")
    return found["module"], found["function"]


def check(factory: str) -> None:
    """Want a module that the project or an installed package has; nothing of it is run.

    Raises:
        SpecError: the factory is something else.
    """
    module, _ = parts(factory)
    top = module.partition(".")[0]
    root = _root(top)
    if root is None and _installed(top) is None:
        raise SpecError(f"factory: {factory!r}: no module {top!r} in the project or installed")
    if root is not None and _place(root, module) is None:
        where = f"{module.replace('.', '/')}.py"
        raise SpecError(f"factory: {factory!r}: no module {module!r} in the project: want {where}")


def code(factory: str) -> Code:
    """What a factory is made of; nothing for an empty one."""
    files: dict[str, Path] = {}
    libraries: set[str] = set()
    waiting = [factory.partition(":")[0]] if factory else []
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        root = _root(top)
        if root is None:
            libraries |= {top} - sys.stdlib_module_names - {"pipeline", "stages"}
            continue
        for part in _from_the_top(name):
            file = _place(root, part)
            if file is None or part in files:
                continue
            files[part] = file
            waiting += _imported(file, part)
    return Code(files, frozenset(libraries))


def importable(made_of: Code) -> None:
    """In a child: let the modules of a factory be imported, and no others beside them."""
    if made_of.files:
        sys.meta_path.insert(0, _Finder(made_of.files))


class _Finder(MetaPathFinder):
    """Finds the modules that are known, and looks into no folder."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The module of a name, if it is one of them."""
        file = self._files.get(fullname)
        if file is None:
            return None
        if file.suffix != ".py":
            return ModuleSpec(fullname, None, is_package=True)
        spec = importlib.util.spec_from_file_location(fullname, file)
        if spec is not None and spec.submodule_search_locations is not None:
            spec.submodule_search_locations.clear()
        return spec


def _root(top: str) -> Path | None:
    """The folder in which a module of the user's own lies, that can be edited; None for others."""
    if top in _NOT_ITS_OWN:
        return None
    here = Path.cwd()
    if _module(here / top) is not None:
        return here
    found = _installed(top)
    if (found is None or found.origin is None) and (here / top).is_dir():
        return here
    if found is not None and str(found.origin).endswith(".py"):
        file = Path(str(found.origin))
        root = file.parents[1] if file.name == "__init__.py" else file.parent
        return None if any(root.glob("*.dist-info")) else root  # else it has a version
    return None


def _installed(top: str) -> ModuleSpec | None:
    """Where Python finds a module, which is not imported."""
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _place(root: Path, module: str) -> Path | None:
    """The file of a module below a folder; of a package without `__init__.py` its folder."""
    path = root.joinpath(*module.split("."))
    return _module(path) or (path if path.is_dir() else None)


def _module(path: Path) -> Path | None:
    """The file of a module or package, as Python prefers them."""
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file.resolve() for file in files if file.is_file()), None)


def _from_the_top(name: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c`: importing the last runs them all."""
    names = name.split(".")
    yield from (".".join(names[: count + 1]) for count in range(len(names)))


def _imported(file: Path, module: str) -> list[str]:
    """What a module may import; nothing of one that is not Python, which whoever runs it says."""
    if file.suffix != ".py":
        return []
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    try:
        return list(imports.named(ast.parse(file.read_bytes()), package))
    except (SyntaxError, ValueError):
        return []
