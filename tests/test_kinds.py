"""A kind of the user's own is found, checked and run as ours are, and ours as theirs must be."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import probes
import pytest
from conftest import PARAMS, ROOT, make_project
from ordinary import NEEDS_LANDLOCK

from pipeline import bounds, check, imports, kinds
from pipeline.errors import CrashError, SpecError
from pipeline.evidence import Accuracy
from pipeline.host.sandbox import run
from pipeline.layout import Layout
from pipeline.provenance import Quantized
from pipeline.steps import _entries
from pipeline.steps.calibration import calibration
from pipeline.steps.export import export
from pipeline.steps.fetch import fetch
from pipeline.steps.quantize import quantize
from pipeline.steps.reference import reference
from pipeline.steps.validate import validate

MEMBERS = [(family, name) for family in kinds.FAMILIES for name in kinds.names(family)]
ROUNDING = '''\
"""Weights that OpenVINO rounds."""

import tempfile
from pathlib import Path

import openvino as ov

from pipeline.networks import ir


def halved(network: ov.Model) -> ov.Model:
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(network, Path(folder) / f"{ir.MODEL}.xml", compress_to_fp16=True)
        return ir.read(Path(folder))
'''
HALVES = '''\
"""halves: weights rounded to fp16, and their largest magnitude that may be."""

from typing import Any

import numpy as np
from pydantic import Field

from pipeline.errors import PrecisionError
from pipeline.networks import weights
from pipeline.precisions import Data, _rounding
from pipeline.record import Record

TOOLCHAIN = ("numpy", "openvino")
BITS = 16
NEEDS_CALIBRATION = False


class Options(Record):
    """How large a weight may be."""

    largest: float = Field(default=65504.0, gt=0)


def apply(network: Any, options: Options, data: Data) -> tuple[Any, dict[str, Any]]:
    weights.widen(network)
    constants = [op for op in network.get_ops() if op.get_type_name() == "Constant"]
    floats = [op.data for op in constants if np.issubdtype(op.data.dtype, np.floating)]
    largest = max(float(np.abs(data).max()) for data in floats if data.size)
    if largest > options.largest:
        raise PrecisionError(f"largest: {options.largest}: there is a weight of {largest:.3g}")
    return _rounding.halved(network), {"largest": largest}


def check(network: Any, options: Options) -> None:
    weights.hold(network, ("f16",), "halves")
'''
RANKED = '''\
"""ranked-pairs: token vectors, judged by the order of the pairs too (Kendall)."""

from collections.abc import Iterator

from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.tensors import Vector
from pipeline.tasks import Trial, _embeddings, feature_extraction as ours
from pipeline.tasks.feature_extraction import FILES as FILES
from pipeline.tasks.feature_extraction import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks.feature_extraction import RUNS_WITH as RUNS_WITH
from pipeline.tasks.feature_extraction import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks.feature_extraction import (
    Options, Resolved, Sizes, encode, finish, invent, items, resolve, run, sized,
)

EXPORTED_AS = "feature-extraction"
METRICS = {**ours.METRICS, "kendall": Metric("higher", labelled=True)}


def judge(trial: Trial) -> Iterator[Figure]:
    yield from ours.judge(trial)
    similar = [_embeddings.pairs(vectors) for vectors in ours.vectors(trial)]
    yield metrics.scored("kendall", _kendall, *similar, _embeddings.scores(trial))


def _kendall(predicted: Vector, truth: Vector) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(predicted, truth).statistic)
'''
OWN = {
    "precisions/halves.py": HALVES,
    "precisions/_rounding.py": ROUNDING,
    "tasks/ranked_pairs.py": RANKED,
}


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """One process has one project; here it has several, so what is not ours is loaded again."""
    yield
    for folder in kinds.FAMILIES.values():
        package = import_module(f"pipeline.{folder}")
        package.__path__[1:] = []
        for name, module in list(sys.modules.items()):
            parent, _, stem = name.rpartition(".")
            if parent == package.__name__ and not str(module.__file__).startswith(str(ROOT)):
                del sys.modules[name]
                vars(package).pop(stem, None)


CRASHES = """\
def apply(network: Any, options: Options, data: Data) -> Any:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def check(network: Any, options: Options) -> None:
    pass
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _forgotten: None) -> Path:
    """A project that names a precision and a task of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name, code in OWN.items():
        add(folder, name, code)
    params = PARAMS.replace("  fp32: {}\n", "  fp32: {}\n  halves: {largest: 100.0}\n").replace(
        "variants:\n",
        "variants:\n  tiny-halves: {model: tiny, precision: halves, quantize: {}, gate: {}}\n",
    )
    (folder / "params.yaml").write_text(params.replace("feature-extraction", "ranked-pairs"))
    monkeypatch.chdir(folder)
    return folder


def add(project: Path, name: str, code: str) -> Path:
    """A file of the user's own."""
    path = project / "kinds" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    return path


def refusal(project: Path) -> str:
    """The one line that params.yaml is refused with."""
    with pytest.raises(SpecError) as raised:
        check.load(project / "params.yaml")
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ours


@pytest.mark.parametrize(("family", "name"), MEMBERS)
def test_a_member_of_ours_names_every_distribution_that_it_imports(family: str, name: str) -> None:
    assert imports.unnamed(family, name) == []


@pytest.mark.parametrize("folder", kinds.FAMILIES.values())
def test_the_docstring_of_a_family_says_what_its_interface_names(folder: str) -> None:
    package = import_module(f"pipeline.{folder}")

    described = re.findall(r"^ {4}(\w+)", str(package.__doc__), re.MULTILINE)

    assert tuple(described) == package.INTERFACE


def test_only_a_precision_that_needs_calibration_asks_for_inputs() -> None:
    needing = {n for n in kinds.names("precision") if kinds.load("precision", n).NEEDS_CALIBRATION}

    asking = {
        name
        for name in kinds.names("precision")
        if "data.inputs(" in kinds.file("precision", name).read_text()
    }

    assert needing == asking == {"int8"}


def test_what_is_left_out_is_a_distribution_in_its_one_spelling() -> None:
    assert {imports._normal(name) for name in imports.LEFT_OUT} == imports.LEFT_OUT.keys()


# found and loaded


def test_a_project_without_kinds_has_no_folders_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert kinds.folders() == {}
    assert kinds.misplaced() == []


def test_a_kind_of_the_users_own_is_named_and_loaded_as_ours_are(project: Path) -> None:
    assert "halves" in kinds.names("precision")
    assert {"fp32", "int8"} < set(kinds.names("precision"))
    assert kinds.load("task", "ranked-pairs") is kinds.load("task", "ranked_pairs")
    assert kinds.load("precision", "halves").Options().largest == 65504
    assert kinds.folders() == {
        "pipeline.precisions": [project / "kinds" / "precisions"],
        "pipeline.tasks": [project / "kinds" / "tasks"],
    }


def test_params_that_name_kinds_of_the_users_own_are_good(project: Path) -> None:
    params = check.load(project / "params.yaml")

    assert params.variant("tiny-halves").precision == "halves"


def test_options_of_a_kind_of_the_users_own_are_checked(project: Path) -> None:
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("largest: 100.0", "larger: 100.0"))

    with pytest.raises(SpecError, match=r"unknown key 'larger': have \['largest'\]"):
        check.load(project / "params.yaml")


@pytest.mark.usefixtures("project")
def test_kinds_of_the_users_own_are_listed_without_importing_them() -> None:
    program = (
        "import sys; from pipeline import kinds;"
        "assert 'halves' in kinds.names('precision');"
        "assert not [m for m in sys.modules if m.startswith('pipeline.') and m.count('.') > 1]"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30
    )

    assert done.returncode == 0


# refused


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("precisions/int8.py", "pipeline/precisions/int8.py is there already"),
        ("tasks/_texts.py", "pipeline/tasks/_texts.py is there already"),
        ("precisions/my-own.py", "want a name of small letters, digits and underscores"),
        ("precisions/Mine.py", "want a name of small letters, digits and underscores"),
        ("mine.py", "lies in no family: want it in one of ['exporters', 'metrics', 'pins', "),
    ],
)
def test_a_file_that_no_name_finds_or_that_is_called_as_ours_is_refused(
    project: Path, name: str, line: str
) -> None:
    add(project, name, "")

    said = refusal(project)

    assert said.startswith(f"kinds/{name}: ")
    assert line in said


def test_a_folder_of_no_family_is_refused(project: Path) -> None:
    add(project, "precision/mine.py", "")

    assert refusal(project) == (
        "kinds/precision/: no family is called that: "
        "have ['exporters', 'metrics', 'pins', 'precisions', 'sources', 'tasks']"
    )


def test_a_member_that_lacks_something_is_refused_with_what_it_lacks(project: Path) -> None:
    add(project, "precisions/halves.py", HALVES.replace("NEEDS_CALIBRATION = False", ""))

    assert "kinds/precisions/halves.py: has no NEEDS_CALIBRATION: want TOOLCHAIN" in refusal(
        project
    )


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("BITS = 16", "BITS = '16'", "BITS: '16': want one of (32, 16, 8, 4)"),
        ('("numpy", "openvino")', '"numpy"', "TOOLCHAIN: 'numpy': want a tuple of texts"),
        ("NEEDS_CALIBRATION = False", 'NEEDS_CALIBRATION = "no"', "'no': want True or False"),
        ("Options(Record)", "Options", "want a Record"),
        ("def apply(", "apply = 3\ndef applied(", "apply: 3: want a function"),
    ],
)
def test_a_name_that_is_something_else_is_refused_with_what_it_must_be(
    project: Path, before: str, after: str, line: str
) -> None:
    add(project, "precisions/halves.py", HALVES.replace(before, after))

    said = refusal(project)

    assert "kinds/precisions/halves.py: " in said
    assert line in said


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import json\nclass Options(:", "halves.py:2: SyntaxError: invalid syntax"),
        ("\n\nimport nowhere", "halves.py:3: ModuleNotFoundError: No module named 'nowhere'"),
        ("import sys\nsys.exit('I am done')", "halves.py:2: SystemExit: I am done"),
        ("raise ValueError('one\\ntwo')", "halves.py:1: ValueError: one two"),
        ("from pipeline.precisions import _bad", "_bad.py:2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')", "halves.py:2: JSONDecodeError: Expecting property name"),
    ],
)
def test_a_member_that_cannot_be_imported_is_refused_with_its_line(
    project: Path, code: str, line: str
) -> None:
    add(project, "precisions/halves.py", code)
    add(project, "precisions/_bad.py", "\n1 / 0")

    assert f"kinds/precisions/{line}" in refusal(project)


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        (
            "precisions/halves.py",
            HALVES + "\n\ndef later() -> None:\n    import bitsandbytes.nn\n",
            "kinds/precisions/halves.py imports bitsandbytes: want it in TOOLCHAIN",
        ),
        (
            "precisions/_rounding.py",
            ROUNDING + "\n\ndef later() -> None:\n    from scipy.special import erf\n",
            "kinds/precisions/halves.py imports scipy (in _rounding.py): want it in TOOLCHAIN",
        ),
        (
            "tasks/ranked_pairs.py",
            RANKED + '\nJUDGED_WITH = ("openvino",)\n',
            "kinds/tasks/ranked_pairs.py imports scipy: "
            "want it in TOOLCHAIN, RUNS_WITH or JUDGED_WITH",
        ),
    ],
)
def test_a_distribution_that_is_imported_and_not_named_is_refused(
    project: Path, name: str, code: str, line: str
) -> None:
    add(project, name, code)

    assert refusal(project) == line


@pytest.mark.parametrize(
    "code",
    [
        "if TYPE_CHECKING:\n    import bitsandbytes",
        "import json, os.path\nfrom pipeline.networks import ir\nfrom ..networks import weights",
        "import tqdm\nfrom pydantic import Field\nfrom ruamel.yaml import YAML",
        "from . import _rounding\nfrom ._rounding import halved",
        "import openvino_tokenizers",
    ],
)
def test_what_cannot_change_results_or_is_named_in_another_spelling_is_not_asked_for(
    project: Path, code: str
) -> None:
    named = HALVES.replace('"openvino")', '"openvino", "OpenVINO.tokenizers")')
    later = code.replace("\n", "\n    ")
    lines = f"from typing import TYPE_CHECKING\n\n\ndef later() -> None:\n    {later}\n"
    add(project, "precisions/halves.py", f"{named}\n\n{lines}")

    assert imports.unnamed("precision", "halves") == []


# run


@pytest.fixture
def grown(finished: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished project, which then names kinds of its own."""
    folder = shutil.copytree(finished, project.parent / "grown", symlinks=True)
    shutil.copytree(project / "kinds", folder / "kinds")
    shutil.copyfile(project / "params.yaml", folder / "params.yaml")
    monkeypatch.chdir(folder)
    return folder


def test_a_precision_of_the_users_own_makes_an_artifact(grown: Path) -> None:
    params, layout = check.load(grown / "params.yaml"), Layout()

    quantize(params, params.variant("tiny-halves"), layout)

    made = Quantized.read(layout.provenance("tiny-halves"))
    fp16 = layout.ir("tiny-fp16") / "openvino_model.bin"
    assert (layout.ir("tiny-halves") / "openvino_model.bin").read_bytes() == fp16.read_bytes()
    assert made.options == {"largest": 100.0}
    assert made.toolchain.keys() == {"numpy", "openvino"}
    assert 0 < made.weights["openvino_model"]["largest"] <= 100


def test_a_crash_at_the_pinned_instruction_set_says_what_to_do(grown: Path) -> None:
    crashing = HALVES.replace("    largest:", '    isa: str = "AVX2"\n    largest:', 1)
    head, _, _ = crashing.partition("def apply(")
    add(grown, "precisions/halves.py", f"{head}{CRASHES}")
    params = check.load(grown / "params.yaml")

    with pytest.raises(CrashError, match="killed by SIGSEGV .*precisions.halves.isa: host"):
        quantize(params, params.variant("tiny-halves"), Layout())


@pytest.mark.soak
def test_a_task_of_the_users_own_is_exported_and_judged(grown: Path) -> None:
    params, layout = check.load(grown / "params.yaml"), Layout()
    model, variant = params.model("tiny"), params.variant("tiny-fp32")

    export(model, layout)
    calibration(model, layout)
    reference(model, layout)
    quantize(params, variant, layout)
    validate(params, variant, layout)

    described = json.loads((layout.ir("tiny-fp32") / "openvino_artifact.json").read_bytes())
    accuracy = Accuracy.read(layout.accuracy("tiny-fp32"))
    assert described["task"] == "ranked-pairs"
    assert all("kendall_drop" in execution.bounded() for execution in accuracy.executions)


def build_in(tree: Path) -> subprocess.CompletedProcess[str]:
    """`ovpipe build` with the code of a contributor's tree."""
    return subprocess.run(
        ["ovpipe", "build"], cwd=tree, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tree)}, timeout=600,
    )  # fmt: skip


@pytest.mark.soak
def test_a_contributor_s_task_is_one_file_in_a_tree_of_their_own(
    tiny_bert: Path, tmp_path: Path
) -> None:
    """As the README says: the file, and its name in params.yaml; no Python is edited."""
    tree = make_project(tmp_path, tiny_bert)
    (tree / "pipeline" / "tasks" / "ranked_pairs.py").write_text(RANKED)
    params = (tree / "params.yaml").read_text().replace("feature-extraction", "ranked-pairs")
    (tree / "params.yaml").write_text(params.partition("variants:")[0] + ONE_VARIANT)

    done = build_in(tree)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "kendall 0." in done.stdout
    described = json.loads((tree / "artifacts/ir/tiny-fp32/openvino_artifact.json").read_bytes())
    assert described["task"] == "ranked-pairs"


ONE_VARIANT = """\
variants: {tiny-fp32: {model: tiny, precision: fp32}}
devices: [CPU]
benchmark: {seconds: 0.1, rounds: 2}
"""


# behind the walls


def seen_by_a_child() -> list[str]:
    """In a child: the precisions that it finds."""
    return kinds.names("precision")


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "scratch").mkdir()
    return {"scratch": tmp_path / "scratch", "log": tmp_path / "child.log"}


@NEEDS_LANDLOCK
def test_a_child_reads_kinds_and_nothing_else_of_the_project(
    project: Path, place: dict[str, Path]
) -> None:
    add(project, "secret", "secret")
    (project / "secret").write_text("secret")
    target = {"mine": str(project / "kinds" / "secret"), "secret": str(project / "secret")}
    granted = {**target, "secret": target["mine"]}

    outside, inside = (
        run("probes:attempt", given, returns=dict[str, str], **place) for given in (target, granted)
    )

    files = {"read_file", "read_through_a_link", "list_folder"}
    assert {name for name, ended in outside.items() if ended == "done"} == set()
    assert {name for name, ended in inside.items() if ended == "done"} == files
    assert files < probes.PROBES.keys()


@pytest.mark.usefixtures("project")
def test_a_child_finds_kinds_from_its_own_working_folder(place: dict[str, Path]) -> None:
    found = run(f"{__name__}:seen_by_a_child", returns=list[str], **place)

    assert "halves" in found


def test_a_child_takes_no_kinds_from_the_folder_that_it_works_in(
    place: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a model's, whose code must not run."""
    monkeypatch.chdir(place["scratch"])
    add(tmp_path / "source", "precisions/stranger.py", "")

    found = run(f"{__name__}:seen_by_a_child", returns=list[str], cwd=tmp_path / "source", **place)

    assert "stranger" not in found


@pytest.mark.usefixtures("_forgotten")
def test_a_family_that_is_a_link_is_read_through_it(
    place: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "shared", "precisions/halves.py", HALVES)
    (tmp_path / "project" / "kinds").mkdir(parents=True)
    elsewhere = tmp_path / "shared" / "kinds" / "precisions"
    (tmp_path / "project" / "kinds" / "precisions").symlink_to(elsewhere)
    monkeypatch.chdir(tmp_path / "project")

    found = run(f"{__name__}:seen_by_a_child", returns=list[str], **place)

    assert "halves" in found


# in the plan


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("precisions/_rounding.py", {"quantize@tiny-halves"}),
        ("precisions/halves.py", {"quantize@tiny-halves"}),
        (
            "tasks/ranked_pairs.py",
            {"export@tiny", "calibration@tiny", "reference@tiny", "quantize@tiny-int8"}
            | {f"validate@tiny-{v}" for v in ("halves", "fp32", "fp16", "int8")}
            | {f"benchmark@tiny-{v}-CPU" for v in ("halves", "fp32", "fp16", "int8")},
        ),
    ],
)
def test_an_edit_of_the_users_own_code_re_runs_exactly_what_uses_it(
    name: str, stages: set[str], project: Path
) -> None:
    params = check.load(project / "params.yaml")
    before = _entries.plan(params, Layout())

    add(project, name, OWN[name] + "\nedited = True\n")
    after = _entries.plan(params, Layout())

    assert {cell for cell in before if before[cell] != after[cell]} == stages


# An exporter and a metric of the user's own, and of a contributor: one file each.

LINEAR = '''\
"""linear: a matrix in a .mat file, which is a network of one layer."""

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from pipeline.exporters import _bare
from pipeline.networks import ir

TOOLCHAIN = (*_bare.TOOLCHAIN,)
RUNS_WITH = ("numpy", "pillow")
ENDINGS = (".mat",)


def baseline():
    return "NumPy"


def use_threads(count):
    pass


def files(model):
    return _bare.patterns(model, ENDINGS)


def weights(model):
    return _bare.together(model, ENDINGS)


def _matrix(source, model):
    return np.loadtxt(_bare.places(source, model, ENDINGS)[ir.MODEL], dtype=np.float32)


def export(source, model, out):
    x = ops.parameter([-1, -1], np.float32, name="x")
    x.output(0).tensor.set_names({"x"})
    y = ops.matmul(x, ops.constant(_matrix(source, model)), False, False)
    y.output(0).tensor.set_names({"y"})
    return _bare.write({ir.MODEL: ov.Model([y], [x])}, source, model, out)


class _NumPy:
    def __init__(self, matrix):
        self._matrix = matrix

    def __call__(self, inputs):
        return {"y": inputs["x"] @ self._matrix}

    def reset(self):
        pass


def original(source, model):
    return {ir.MODEL: _NumPy(_matrix(source, model))}
'''
WORST = '''\
"""worst: the largest difference, of the largest value."""

import numpy as np

from pipeline.figure import Figure, Metric

TOOLCHAIN = ("numpy",)
METRICS = {"worst": Metric("lower", gate={32: 0.05})}


def judge(trial):
    pairs = [(a["y"], b["y"]) for a, b in zip(trial.expected, trial.measured)]
    worst = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)
    yield Figure(metric="worst", value=worst, samples=len(pairs))
'''
ONE_MATRIX = """\
models:
  matrix:
    source: file:nets
    task: tensor
    inputs: {x: {shape: [-1, 6]}}
    metrics: [worst]
precisions: {fp32: {}}
variants: {matrix-fp32: {model: matrix, precision: fp32}}
devices: [CPU]
benchmark: {seconds: 0.1, rounds: 1}
"""


def _with_a_matrix(project: Path) -> None:
    (project / "nets").mkdir()
    rows = "\n".join(" ".join(str((i * 7 + j * 3) % 5 - 2) for j in range(4)) for i in range(6))
    (project / "nets" / "layer.mat").write_text(rows)
    (project / "params.yaml").write_text(ONE_MATRIX)


def test_an_exporter_and_a_metric_are_a_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add(tmp_path, "exporters/linear.py", LINEAR)
    add(tmp_path, "metrics/worst.py", WORST)
    _with_a_matrix(tmp_path)
    params, layout = check.load(Path("params.yaml")), Layout()
    model, variant = params.model("matrix"), params.variant("matrix-fp32")

    fetch(model, layout)
    export(model, layout)
    reference(model, layout)
    quantize(params, variant, layout)
    made = validate(params, variant, layout)

    assert model.format == "linear"
    assert made.original == "NumPy"
    assert made.executions[0].bounded()["worst"] < 1e-5
    assert bounds.of(params, variant).keys() == {"cosine_mean", "worst"}


@pytest.mark.soak
def test_a_contributor_s_exporter_is_one_file_in_a_tree_of_their_own(
    tiny_bert: Path, tmp_path: Path
) -> None:
    tree = make_project(tmp_path, tiny_bert)
    (tree / "pipeline" / "exporters" / "linear.py").write_text(LINEAR)
    (tree / "pipeline" / "metrics" / "worst.py").write_text(WORST)
    _with_a_matrix(tree)

    done = build_in(tree)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "worst 0." in done.stdout
    assert "against NumPy on the CPU" in done.stdout
