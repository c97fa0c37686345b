"""The structure holds itself: layers, the grid against the code, what a --help may import."""

import ast
import subprocess
import sys
import time
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline import kinds
from pipeline.ipfs import unixfs as ipfs

# The folders of pipeline/, from the top down: lower may not import higher. What lies in pipeline/
# itself is the vocabulary, the lowest. A folder that is not listed fails the test: give it a place.
ROOMS = (
    {"cli"},
    {"report", "runtime"},
    {"steps"},
    {"sources", "exporters", "precisions", "tasks", "metrics", "pins"},
    {"networks"},
    {"ipfs"},
    {"http"},
    {"host"},
    {""},
)
SLOW = ("torch", "nncf", "transformers", "openvino", "optimum", "dvc", "huggingface_hub")
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))


def module_name(path: Path) -> str:
    """A file below the root as Python names it; a package by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in (ROOT / "pipeline").rglob("*.py")}


def room(module: str) -> str:
    """The folder of pipeline/ in which a module lies; empty for pipeline/ itself."""
    top = module.split(".")[1] if "." in module else ""
    return top if (ROOT / "pipeline" / top).is_dir() else ""


def level(module: str) -> int:
    """How far above the vocabulary a module's room is."""
    return next(i for i, rooms in enumerate(reversed(ROOMS)) if room(module) in rooms)


def imports_of(path: Path, *, at_load: bool = False) -> set[str]:
    """The modules of pipeline/ that a file imports, anywhere in it or when it is loaded itself."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if at_load else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            package = str(node.module)
            names = {f"{package}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else package for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


def test_every_room_has_its_place() -> None:
    assert {room(module) for module in MODULES} == set().union(*ROOMS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_downwards(module: str) -> None:
    above = {name for name in imports_of(MODULES[module]) if level(name) > level(module)}

    assert above == set()


@pytest.mark.parametrize("folder", kinds.FAMILIES.values())
def test_nobody_imports_a_member_of_a_family_by_name(folder: str) -> None:
    members = {f"pipeline.{folder}.{path.stem}" for path in kinds.members(folder)}

    importing = {module for module in MODULES if imports_of(MODULES[module]) & members}

    assert importing == set()


def test_no_modules_load_each_other_in_a_circle() -> None:
    graph = {module: imports_of(path, at_load=True) - {module} for module, path in MODULES.items()}

    list(TopologicalSorter(graph).static_order())  # raises CycleError with the circle


MODEL_HALF = {"networks", "steps", "tasks", "exporters", "precisions"}


def test_pull_loads_nothing_of_the_model_half(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    car, cid = str(tmp_path / "file.car"), str(ipfs.import_path(tmp_path / "file").root)
    program = (
        "import sys\nfrom pipeline.cli import main\n"
        f"main(['car', {str(tmp_path / 'file')!r}, '-o', {car!r}], standalone_mode=False)\n"
        "for name in [n for n in sys.modules if n.startswith('pipeline')]: del sys.modules[name]\n"
        "from pipeline.cli import main\n"
        f"main(['pull', {cid!r}, '--from', {car!r}, '-o', {str(tmp_path / 'out')!r}],"
        " standalone_mode=False)\n"
        "print(*[n for n in sys.modules if n.startswith('pipeline.')], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    loaded = done.stderr.split()
    assert (tmp_path / "out").read_text() == "content"
    assert "pipeline.ipfs.pull" in loaded
    assert {room(module) for module in loaded} & MODEL_HALF == set()
    assert {"pipeline.spec", "pipeline.check", "pipeline.evidence"} & set(loaded) == set()


def test_stages_are_thin() -> None:
    for name in STAGES:
        lines = (ROOT / "stages" / f"{name}.py").read_text().splitlines()

        assert len(lines) <= 30, f"stages/{name}.py: {len(lines)} lines"


@pytest.mark.parametrize("command", ["pipeline.cli", *(f"stages.{name}" for name in STAGES)])
def test_help_answers_at_once_and_imports_nothing_slow(command: str) -> None:
    program = (
        f"import sys, {command} as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {SLOW} if sys.modules.get(name)], file=sys.stderr)"
    )

    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    seconds = time.perf_counter() - started

    assert done.stderr.strip() == "[]"
    assert "Usage" in done.stdout
    # The promise is half a second on a quiet machine; this only notices a slow import.
    assert seconds < 5


def grid() -> dict[str, dict[str, object]]:
    """The stages of dvc.yaml with `do:` taken out of the way."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def test_every_stage_of_dvc_yaml_has_its_command_and_the_other_way_round() -> None:
    commands = {name: str(stage["cmd"]).rpartition("exec ")[2] for name, stage in grid().items()}

    assert {name: command.split()[:4] for name, command in commands.items()} == {
        name: ["python", "-P", "-m", f"stages.{name}"] for name in STAGES
    }


def test_kinds_are_listed_without_importing_them() -> None:
    program = (
        "import sys; from pipeline import kinds;"
        "print([kinds.names(f) for f in kinds.FAMILIES]);"
        "assert not [m for m in sys.modules if m.startswith('pipeline.') and m.count('.') > 1]"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30)

    assert done.returncode == 0
    assert {"fp16", "fp32", "int8"} <= set(kinds.names("precision"))
