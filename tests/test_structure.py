"""The structure holds itself: layers, the grid against the code, what a --help may import."""

import ast
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline import kinds
from pipeline.layout import Layout

# Lower may not import higher. A module that is not listed fails the test: it has no place yet.
LAYERS = {
    "values": {"errors", "isa", "record", "kinds", "layout", "evidence", "gate", "spec", "cid"},
    "parts": {
        "atomic",
        "backoff",
        "car",
        "dagpb",
        "gateway",
        "http",
        "ir",
        "lifetime",
        "manifest",
        "progress",
        "samples",
        "sandbox",
        "session",
        "terminal",
        "unixfs",
    },
    "kinds": {"sources", "exporters", "precisions", "tasks", "pins"},
    "verbs": {
        "benchmark",
        "calibration",
        "catalog",
        "contenders",
        "export",
        "fetch",
        "machine",
        "metrics",
        "package",
        "pin",
        "pull",
        "quantize",
        "reference",
        "report",
        "validate",
        "verify",
    },
    "commands": {"cli"},
}
SLOW = ("torch", "nncf", "transformers", "openvino", "optimum", "dvc", "huggingface_hub")
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
# The declarations of an open family (what its members have in common) are values.
DECLARATIONS = {"sources", "precisions", "tasks", "exporters", "pins"}


def module_layers() -> dict[str, int]:
    return {name: level for level, names in enumerate(LAYERS.values()) for name in names}


def imports_of(path: Path) -> set[str]:
    """The modules of pipeline/ that a file imports anywhere in it, as (top-level) names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("pipeline.")}
    return found


def test_every_module_has_a_layer_and_imports_only_downwards() -> None:
    layers = module_layers()

    for path in (ROOT / "pipeline").rglob("*.py"):
        name = path.relative_to(ROOT / "pipeline").with_suffix("").parts[0]
        if name == "__init__":
            continue
        assert name in layers, f"{path}: give {name} a layer"
        for imported in imports_of(path) - DECLARATIONS:
            assert layers[imported] <= layers[name], f"{path} imports {imported}, a layer above"


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
    commands = {name: str(stage["cmd"]).split()[3] for name, stage in grid().items()}

    assert commands == {name: f"stages.{name}" for name in STAGES}


def test_every_path_of_dvc_yaml_is_one_of_the_layout() -> None:
    layout = Layout()
    key, model, variant, device = "${key}", "${item.model}", "${item.variant}", "${item.device}"
    known = {
        str(path)
        for path in [
            layout.toolchain, layout.host, layout.sources, layout.catalog,
            layout.report / "table.txt", layout.report / "metrics.json",
            layout.report / "speedups.json", layout.benchmark(variant, device),
            *(f(n) for n in (key, model, variant) for f in (
                layout.source, layout.source_lock, layout.export, layout.export_provenance,
                layout.calibration, layout.reference, layout.ir, layout.provenance,
                layout.accuracy, layout.package,
            )),
        ]
    }  # fmt: skip
    parents = {str(Path(path).parent) for path in known}

    for name, stage in grid().items():
        text = str({k: stage[k] for k in ("deps", "outs", "params") if k in stage})
        for path in re.findall(r"artifacts/[^'\"\s,:]+", text):
            assert path in known | parents, f"{name}: {path} is not in layout.py"


def test_every_file_of_code_that_dvc_yaml_names_exists() -> None:
    for name, stage in grid().items():
        for dep in stage.get("deps", []):  # type: ignore[attr-defined]
            if dep.startswith("pipeline/") and "$" not in dep:
                assert (ROOT / dep).exists(), f"{name}: {dep}"


def test_kinds_are_listed_without_importing_them() -> None:
    program = (
        "import sys; from pipeline import kinds;"
        "print([kinds.names(f) for f in kinds.FAMILIES]);"
        "assert not [m for m in sys.modules if m.startswith('pipeline.') and m.count('.') > 1]"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30)

    assert done.returncode == 0
    assert {"fp16", "fp32", "int8"} <= set(kinds.names("precision"))
