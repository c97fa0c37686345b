"""The documents say what is true: their commands and code run, their tables name what there is.

What a comment before a block means is in CONTRIBUTING.md, "Tests".
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline import check, kinds
from pipeline.artifact import Artifact
from pipeline.cli.explain import lines
from pipeline.exporters import _beside
from pipeline.gate import Bound, Verdict
from pipeline.ipfs.unixfs import DEFAULT_PROFILE
from pipeline.manifest import FileEntry, SourceLock
from pipeline.networks import stamps
from pipeline.networks.description import Description
from pipeline.provenance import Provenance
from pipeline.refusal import Refusal
from pipeline.spec import Limits
from pipeline.steps.explain import Explained

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
MARKS = {
    "",
    "data",
    "dry-run",
    "explained",
    "limits",
    "models",
    "params",
    "pins",
    "refused",
    "report",
    "rooms",
    "soak",
    "variant",
}
LANGUAGES = {"sh", "console", "python", "yaml", "text"}
_FENCE = re.compile(
    r"(?:^<!-- test: (?P<mark>[\w-]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def commands(self) -> str:
        """What a reader would type: all of a sh block, the lines after `$` of a console block."""
        if self.language == "sh":
            return self.text
        return "".join(f"{line[2:]}\n" for line in self.text.splitlines() if line[:2] == "$ ")

    @property
    def output(self) -> list[str]:
        """What a console block shows to be printed."""
        shown = self.text.splitlines() if self.language in ("console", "text") else []
        return [line for line in shown if line.strip() and line[:2] != "$ "]


def blocks_of(document: str) -> Iterator[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(document, line, found["language"], found["mark"] or "", found["text"])


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def blocks(*languages: str, mark: str = "") -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.mark == mark]


def shape(line: str) -> str:
    """A line without its figures, names and spacing: what stays when only measurements differ."""
    bare = re.sub(r"\S*\d\S*", "#", " ".join(line.replace("AUTO", "CPU").split()))
    bare = re.sub(r"\b(model|variant|device|benchmark)s\b", r"\1", bare)
    return re.sub(r"(cosine_mean: #).*", r"\1", bare)  # as many lengths as the data have


def shapes(text: str) -> set[str]:
    return {shape(line) for line in text.splitlines()}


def run(command: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=project,
        env={**os.environ, "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def shell(block: Block, project: Path) -> subprocess.CompletedProcess[str]:
    return run(["bash", "-euc", block.commands.replace("minilm", "tiny")], project)


@pytest.fixture(scope="module")
def project(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished project that commands may change."""
    return shutil.copytree(finished, tmp_path_factory.mktemp("docs") / "project", symlinks=True)


# Blocks


def test_every_block_is_of_a_known_kind_and_mark() -> None:
    for block in BLOCKS:
        assert block.mark in MARKS, f"{block}: {block.mark!r}"
        assert block.language in LANGUAGES, f"{block}: {block.language!r}"
        assert block.mark or block.language not in ("yaml", "text"), f"{block}: nothing checks this"


def test_no_comment_for_this_test_stands_apart_from_a_block() -> None:
    comments = sum((ROOT / d).read_text().count("\n<!-- test: ") for d in DOCUMENTS)

    assert comments == sum(bool(block.mark) for block in BLOCKS)


@pytest.mark.parametrize("block", blocks("sh", "console"), ids=str)
def test_commands_run_and_print_what_is_shown(block: Block, project: Path) -> None:
    done = shell(block, project)

    assert done.returncode == 0, done.stdout
    assert {shape(line) for line in block.output} <= shapes(done.stdout)


@pytest.mark.parametrize("block", blocks("sh", "console", mark="dry-run"), ids=str)
def test_make_targets_exist_and_do_something(block: Block) -> None:
    for line in block.commands.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        done = run([program, "-n", *arguments], ROOT)

        assert program == "make"
        assert done.returncode == 0, done.stdout
        assert ".venv/bin" in done.stdout


def test_make_run_and_make_test_do_what_the_readme_says() -> None:
    planned = {target: run(["make", "-n", target], ROOT).stdout for target in ("run", "test")}

    assert "ovpipe build" in planned["run"]
    assert "pytest" in planned["test"]


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_runs(block: Block, project: Path) -> None:
    done = run([sys.executable, "-c", block.text.replace("minilm", "tiny")], project)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", blocks("console", mark="refused"), ids=str)
def test_a_refused_variant_fails_as_shown(block: Block, finished: Path, tmp_path: Path) -> None:
    project = shutil.copytree(finished, tmp_path / "project", symlinks=True)
    params = (project / "params.yaml").read_text()
    lines = [
        re.sub(r"gate: \{.*?\}", 'gate: {cosine_mean: ">= 2"}', line) if "-int8:" in line else line
        for line in params.splitlines()
    ]
    (project / "params.yaml").write_text("\n".join(lines) + "\n")

    done = shell(block, project)

    assert done.returncode == 255
    assert {shape(line) for line in block.output} <= shapes(done.stdout)
    assert [p.name for p in (project / "artifacts/package/tiny-int8").iterdir()] == ["refused.json"]


@pytest.mark.parametrize("block", blocks("text", mark="report"), ids=str)
def test_report_looks_as_shown(block: Block, finished: Path) -> None:
    printed = run(["ovpipe", "report"], finished).stdout

    assert {shape(line) for line in block.output} <= shapes(printed)


@pytest.mark.parametrize("block", blocks("text", mark="explained"), ids=str)
def test_what_explain_found_is_printed_as_shown(block: Block) -> None:
    told = json.loads((ROOT / "tests" / "data" / "explained.json").read_text())

    assert block.text.splitlines() == list(lines(Explained.from_dict(told)))


@pytest.mark.parametrize("block", blocks("yaml", mark="params"), ids=str)
def test_params_are_those_of_the_project(block: Block) -> None:
    assert block.text == (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", blocks("yaml", mark="variant"), ids=str)
def test_variant_is_good_beside_the_others(block: Block, tmp_path: Path) -> None:
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    more = tmp_path / "params.yaml"
    more.write_text(params.replace("variants:\n", f"variants:\n{block.text}"))

    added = check.load(more).variants.keys() - check.load(ROOT / "params.yaml").variants.keys()

    assert len(added) == len(block.text.splitlines())


@pytest.mark.parametrize("block", blocks("yaml", mark="models"), ids=str)
def test_models_are_good_beside_the_others(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for module in re.findall(r"factory: ([\w.]+):", block.text):
        file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(exist_ok=True)
        file.touch()
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    before, line, after = params.partition("models:\n")
    more = tmp_path / "params.yaml"
    more.write_text(f"{before}{line}{block.text.partition(line)[2]}{after}")

    added = check.load(more).models.keys() - check.load(ROOT / "params.yaml").models.keys()

    assert added == {*re.findall(r"^  ([\w-]+):", block.text, re.MULTILINE)}


@pytest.mark.parametrize("block", blocks("yaml", mark="limits"), ids=str)
def test_limits_are_good_in_an_entry(block: Block, tmp_path: Path) -> None:
    before, allow, after = (ROOT / "params.yaml").read_text().partition("    allow: []\n")
    (tmp_path / "params.yaml").write_text(before + allow + block.text + after)

    model = check.load(tmp_path / "params.yaml").model("minilm")

    assert model.limits != Limits()


@pytest.mark.parametrize("block", blocks("yaml", mark="data"), ids=str)
def test_a_data_set_is_good_in_an_entry(block: Block, tmp_path: Path) -> None:
    before, line, after = (ROOT / "params.yaml").read_text().partition("    allow: []\n")
    entry = textwrap.indent(block.text, "    ")
    after = after.replace("    validation: data/similarity-texts.tsv\n", "")
    (tmp_path / "params.yaml").write_text(before + line + entry + after)

    assert check.load(tmp_path / "params.yaml").model("minilm").data["validation"].first == 500


@pytest.mark.parametrize("block", blocks("yaml", mark="pins"), ids=str)
def test_pins_are_good_and_show_every_kind(block: Block, tmp_path: Path) -> None:
    more = tmp_path / "params.yaml"
    others = (ROOT / "params.yaml").read_text(encoding="utf-8").partition("pins:")[0]
    more.write_text(others + block.text)

    shown = {target.kind.replace("-", "_") for target in check.load(more).pins.values()}

    assert sorted(shown) == kinds.names("target")


@pytest.mark.soak
@pytest.mark.node
@pytest.mark.parametrize("block", blocks("sh", "console", mark="soak"), ids=str)
def test_another_implementation_computes_the_cid(block: Block, project: Path) -> None:
    artifact = json.loads((project / "artifacts/package/tiny-int8/artifact.json").read_bytes())

    done = shell(block, project)

    assert done.returncode == 0, done.stdout
    assert artifact["cid"] in done.stdout.splitlines()
    assert len(block.output) == 1


@pytest.mark.parametrize("block", blocks("text", mark="rooms"), ids=str)
def test_rooms_are_those_of_the_library(block: Block) -> None:
    folders = {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}
    vocabulary = {path.stem for path in (ROOT / "pipeline").glob("[a-z]*.py")}

    assert set(re.findall(r"\b(\w+)/", block.text)) == folders | {"pipeline"}
    assert [name for name in vocabulary if not re.search(rf"\b{name}\b", block.text)] == []


# What they name


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for found in _LINK.finditer((ROOT / document).read_text(encoding="utf-8")):
            assert (ROOT / document).parent.joinpath(found["path"]).exists(), (
                f"{document}: {found['path']}"
            )


def test_readme_lists_the_stages_of_dvc_yaml() -> None:
    listed = re.findall(r"^\| `(\w+)`(?: of [^|]*)? \|", section("## Stages"), re.MULTILINE)

    assert listed == list(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])


def test_readme_lists_the_members_of_every_family() -> None:
    table = section("## Adding a kind")
    for family, folder in kinds.FAMILIES.items():
        rows = [line for line in table.splitlines() if f"(pipeline/{folder}/" in line]
        listed = re.findall(r"`([\w-]+)`", rows[0].split("|")[-2]) if rows else []

        assert rows, f"{family}: no row says how to add one"
        assert sorted(name.replace("-", "_") for name in listed) == kinds.names(family)


def test_readme_names_every_device() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [name for name in check.DEVICES if f"`{name}`" not in readme] == []


def test_the_document_of_tasks_has_every_metric_and_default_bound() -> None:
    text = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    rows = {line for line in text.splitlines() if line.startswith("| `")}

    wanted = set()
    for task in kinds.names("task"):
        for name, metric in kinds.load("task", task).METRICS.items():
            assert re.search(rf"^\| .*`{name}`.* \| ", text, re.MULTILINE)
            wanted.add(bound_row(task, name, metric.better, metric.gate))
            if metric.labelled:
                wanted.add(bound_row(task, f"{name}_drop", "lower", metric.drop_gate))

    assert wanted == {row for row in rows if row.count("|") == 8}


def bound_row(task: str, name: str, better: str, bounds: Mapping[int, float]) -> str:
    figures = (f"{bounds[bits]:g}" if bits in bounds else "" for bits in (32, 16, 8, 4))
    return f"| `{task.replace('_', '-')}` | `{name}` | {better} | {' | '.join(figures)} |"


def test_the_document_of_models_has_every_task_at_every_precision() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    tasks = text.partition("\n## Tasks\n")[2].partition("\n## ")[0]
    parts = dict(part.split("\n", 1) for part in tasks.split("\n### ")[1:])

    lacking = {}
    for task in kinds.names("task"):
        part = parts.get(f"`{task.replace('_', '-')}`", "")
        rows = re.findall(r"^\| ([a-z0-9_, ]+) \| .", part, re.MULTILINE)
        have = {name.partition("_")[0] for row in rows for name in row.split(", ")}
        if not {"fp32", "fp16", "int8"} <= have:
            lacking[task] = have
        assert re.search(r"; (real: |conversion only)", part) or not part
    assert lacking == {}


def test_readme_gives_each_artifact_one_cid() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    by_variant = dict(re.findall(r"^  (\S+)  (bafy\w+)", readme, re.MULTILINE))

    assert set(re.findall(r"bafy\w+", readme)) == set(by_variant.values())
    assert len(set(by_variant.values())) == len(by_variant) > 0


def test_format_document_names_every_field_stamp_and_file() -> None:
    text = (ROOT / "docs" / "artifact-format.md").read_text(encoding="utf-8")
    records = (
        Artifact, Refusal, FileEntry, Provenance, SourceLock, Verdict, Bound, Description,
    )  # fmt: skip
    tasks = [kinds.load("task", name) for name in kinds.names("task")]
    records += tuple(task.Resolved for task in tasks)
    fields = {name for record in records for name in record.model_fields}
    files = {*_beside.NAMES, *(name for task in tasks for name in task.FILES)}
    names = {*fields, *files, *stamps.STAMPS, *stamps.SERIES, DEFAULT_PROFILE}

    assert sorted(name for name in names if f"`{name}`" not in text) == []


def section(heading: str) -> str:
    """A section of the README, up to the next heading of its level."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme.split(f"{heading}\n")[1].split("\n## ")[0]
