"""ovpipe cid, verify, car, ls, and what all commands promise: exit codes, --json, few imports."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import catalogued
import pytest
from archives import blocks_of, car_of, car_with, content_of
from click.testing import CliRunner, Result
from conftest import ROOT

from pipeline import cli, manifest
from pipeline.artifact import ARTIFACT, Artifact
from pipeline.gate import Bound, Verdict
from pipeline.ipfs import unixfs
from pipeline.ipfs.cid import DAG_PB, Cid
from pipeline.ipfs.unixfs import Dag
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.provenance import Provenance
from pipeline.record import Record
from pipeline.refusal import REFUSED, Refusal

VARIANT, WORSE = "tiny-fp32", "tiny-int8"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dag() -> Dag:
    for name, size in (("a.txt", 3), ("sub/b.bin", (2 << 20) + 1), ("sub/c.txt", 0)):
        Path("model", name).parent.mkdir(parents=True, exist_ok=True)
        Path("model", name).write_bytes(content_of(name, size))
    return unixfs.import_path(Path("model"))


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A project with an artifact and a variant that was refused."""
    layout = catalogued.make(Path("project"), "", listed=(VARIANT,), refused=(WORSE,))
    for variant, met in ((VARIANT, True), (WORSE, False)):
        layout.package(variant).mkdir(parents=True)
        artifact = artifact_of(variant, layout, met=met)
        record: Record = artifact
        if not met:
            facts = artifact.to_dict()
            record = Refusal(refused="too far off", stage="package", cell=variant, facts=facts)
        (layout.package(variant) / (ARTIFACT if met else REFUSED)).write_text(record.json())
    monkeypatch.chdir("project")
    return Layout()


def artifact_of(variant: str, layout: Layout, *, met: bool) -> Artifact:
    dag = catalogued.dag_of(layout, variant)
    source = SourceLock(source="file:x", revision="1", license=None, files=())
    bound = Bound(metric="cosine_mean", comparison=">=", figure=0.9)
    return Artifact(
        variant=variant,
        cid=str(dag.root),
        profile=dag.profile.name,
        size_bytes=dag.size_bytes,
        files=manifest.of_folder(layout.ir(variant)),
        provenance=Provenance(
            source=source, recipe={}, toolchain={}, stamps={}, notes=(), removed=(), walls={}
        ),
        verdicts=(Verdict(bound=bound, execution="f32", measured=0.95 if met else 0.5, met=met),),
    )


def ovpipe(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def refusal(done: Result) -> str:
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


# cid


@pytest.mark.parametrize("profile", sorted(unixfs.PROFILES))
def test_cid_prints_the_cid_under_a_profile(profile: str, dag: Dag) -> None:
    root = unixfs.import_path(Path("model"), profile).root

    done = ovpipe("cid", "model", "--profile", profile)

    assert (done.exit_code, done.stdout) == (0, f"{root}\n")


def test_cid_says_in_json_under_which_profile(dag: Dag) -> None:
    done = ovpipe("cid", "model", "--json")

    assert json.loads(done.stdout) == {
        "cid": str(dag.root),
        "files": 3,
        "path": "model",
        "profile": "unixfs-v1-2025",
        "size_bytes": 3 + (2 << 20) + 1,
    }


# verify


def test_verify_takes_what_is_right_and_refuses_another_cid(dag: Dag) -> None:
    right = ovpipe("verify", "model", dag.root)
    wrong = ovpipe("verify", "model/a.txt", dag.root)

    assert right.exit_code == 0
    assert right.stdout == f"model is {dag.root} under unixfs-v1-2025\n"
    assert f"model/a.txt: its CID is {dag.files[0].cid} (unixfs-v1-2025)" in refusal(wrong)


def test_verify_finds_the_profile_of_a_cid_however_it_is_spelled(dag: Dag) -> None:
    old = unixfs.import_path(Path("model"), "unixfs-v0-2015").root
    spelled_anew = Cid(1, DAG_PB, old.digest)

    answers = [
        json.loads(ovpipe("verify", "model", root, "--json").stdout)
        for root in (old, spelled_anew, dag.root)
    ]

    assert [a["profile"] for a in answers] == ["unixfs-v0-2015"] * 2 + ["unixfs-v1-2025"]
    assert [a["cid"] for a in answers] == [str(old), str(spelled_anew), str(dag.root)]


@pytest.mark.parametrize("target", [VARIANT, f"artifacts/ir/{VARIANT}"])
def test_verify_needs_no_cid_where_one_is_recorded(target: str, layout: Layout) -> None:
    done = ovpipe("verify", target, "--json")

    root = catalogued.dag_of(layout, VARIANT).root
    assert json.loads(done.stdout)["cid"] == str(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").write_bytes(b"{}"), "config.json: sha256"),
        (lambda folder: (folder / "openvino_model.bin").unlink(), "openvino_model.bin: missing"),
        (lambda folder: (folder / "more.txt").touch(), "more.txt: not in the manifest"),
        (lambda folder: (folder / "empty").mkdir(), "its CID is bafy"),
    ],
)
def test_verify_names_the_first_file_that_differs(
    change: Callable[[Path], object], message: str, layout: Layout
) -> None:
    change(layout.ir(VARIANT))

    assert message in refusal(ovpipe("verify", VARIANT))


def test_a_refused_variant_is_verified_by_its_path_and_not_by_its_name(layout: Layout) -> None:
    by_name = ovpipe("verify", WORSE)
    by_path = ovpipe("verify", layout.ir(WORSE))

    assert "refused: too far off; its folder is artifacts/ir/tiny-int8" in refusal(by_name)
    assert by_path.exit_code == 0


def test_verify_says_what_it_lacks(dag: Dag) -> None:
    assert "model: nothing is recorded of it; name its CID" in refusal(ovpipe("verify", "model"))
    assert "'nope': neither a path nor a variant" in refusal(ovpipe("verify", "nope"))


# car and ls


def test_car_writes_the_same_bytes_every_time(dag: Dag) -> None:
    done = [ovpipe("car", "model", "-o", f"{i}.car") for i in range(2)]

    assert [d.stdout for d in done] == [f"{dag.root}\n"] * 2
    assert Path("0.car").read_bytes() == Path("1.car").read_bytes() == car_of(dag)


def test_car_takes_the_name_of_an_artifact_but_not_of_a_refused_one(layout: Layout) -> None:
    done = ovpipe("car", VARIANT, "-o", "model.car", "--json")

    dag = catalogued.dag_of(layout, VARIANT)
    assert json.loads(done.stdout) == {
        "car_bytes": len(car_of(dag)),
        "cid": str(dag.root),
        "path": "model.car",
        "profile": "unixfs-v1-2025",
    }
    assert "tiny-int8: refused: too far off" in refusal(ovpipe("car", WORSE, "-o", "worse.car"))
    assert not Path("worse.car").exists()


def test_car_does_not_replace_a_file(dag: Dag) -> None:
    Path("mine.car").write_bytes(b"mine")

    assert "mine.car exists already" in refusal(ovpipe("car", "model", "-o", "mine.car"))
    assert Path("mine.car").read_bytes() == b"mine"


def test_car_leaves_nothing_of_a_folder_that_cannot_travel(dag: Dag) -> None:
    Path("model/link").symlink_to("a.txt")

    assert "is a symlink" in refusal(ovpipe("car", "model", "-o", "model.car"))
    assert os.listdir() == ["model"]


def test_ls_lists_what_a_car_holds(dag: Dag) -> None:
    Path("model.car").write_bytes(car_of(dag))

    text, fields = ovpipe("ls", "model.car"), ovpipe("ls", "model.car", "--json")

    root, *lines = text.stdout.splitlines()
    assert root == str(dag.root)
    assert [line.split() for line in lines] == [
        [str(file.size_bytes), str(file.cid), file.path] for file in dag.files
    ]
    assert json.loads(fields.stdout)["files"] == [
        {"cid": str(f.cid), "path": f.path, "size_bytes": f.size_bytes} for f in dag.files
    ]


def test_ls_refuses_a_car_that_is_damaged_or_lacks_a_block(dag: Dag) -> None:
    *most, (last, _) = blocks_of(dag)
    archive = bytearray(car_of(dag))
    archive[len(archive) // 2] ^= 1
    Path("damaged.car").write_bytes(archive)
    Path("incomplete.car").write_bytes(car_with(dag.root, most))

    assert "bytes are damaged" in refusal(ovpipe("ls", "damaged.car"))
    assert f"block {last} is missing" in refusal(ovpipe("ls", "incomplete.car"))


def test_ls_shows_no_name_that_a_terminal_would_obey() -> None:
    Path("model").mkdir()
    Path("model/\x1b[2J\u202egnp.exe").write_bytes(b"")
    dag = unixfs.import_path(Path("model"))
    Path("model.car").write_bytes(car_of(dag))

    done = ovpipe("ls", "model.car")

    assert done.stdout.replace("\n", "").isprintable()
    assert "\\x1b[2J\\u202egnp.exe" in done.stdout


# What all of them promise


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "model"],
        ["cid", "model/link"],
        ["car", "model", "-o", "model/a.txt"],
        ["ls", "model/a.txt"],
        ["pull", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", "-o", "model"],
    ],
    ids=lambda words: words[0],
)
def test_a_failure_is_one_json_object_too(words: list[str], dag: Dag) -> None:
    Path("model/link").symlink_to(os.devnull)

    done = ovpipe(*words, "--json")

    assert done.exit_code == 1, done.output
    assert list(json.loads(done.stdout)) == ["error"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["cid"],
        ["cid", "no-such"],
        ["cid", "model", "--profile", "mine"],
        ["verify", "model", "bafyno"],
        ["car", "model"],
        ["ls", "model"],
        ["pull"],
        ["pull", "bafyno"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(words: list[str], dag: Dag) -> None:
    done = ovpipe(*words)

    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: ")
    assert done.stdout == ""


# Where the project is


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["report"],
        ["pin", VARIANT, "--to", "local"],
        ["verify", VARIANT],
        ["car", VARIANT, "-o", "model.car"],
    ],
    ids=lambda words: words[0],
)
def test_in_a_folder_of_the_project_a_command_says_where_to_go(
    words: list[str], layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path.cwd()
    Path("data/more").mkdir(parents=True)
    monkeypatch.chdir("data/more")

    said = refusal(ovpipe(*words))

    assert said.endswith(f"params.yaml: not here; it is in {root}: run this there\n")


def test_a_stage_says_where_to_go_too(layout: Layout) -> None:
    Path("data").mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "stages.quantize", VARIANT],
        cwd="data",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr == f"error: params.yaml: not here; it is in {Path.cwd()}: run this there\n"


def test_in_a_folder_of_the_project_a_path_needs_no_project(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("artifacts")

    assert ovpipe("verify", f"ir/{VARIANT}").exit_code == 0


def test_where_there_is_no_project_at_all_a_command_says_how_to_get_one() -> None:
    said = refusal(ovpipe("check"))

    assert said == (
        "error: params.yaml: not there; run this in the project's root, or `ovpipe init` first\n"
    )


COMMANDS = ("car", "check", "cid", "init", "ls", "pull", "report", "verify")
BUILD_ONLY = (
    "dvc", "huggingface_hub", "nncf", "onnx", "optimum", "psutil", "scipy", "torch", "transformers"
)  # fmt: skip
REFUSE = """
import sys
from collections.abc import Callable
refused = {refused}
class Refuse:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ModuleNotFoundError(f"{{name}} is not installed here")
sys.meta_path.insert(0, Refuse)
from pipeline.cli import main
"""


def in_plain_install(*words: object, refused: tuple[str, ...] = BUILD_ONLY) -> str:
    """What a command prints where only the plain install is there."""
    program = REFUSE.format(refused=refused) + "main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_everything_works_in_the_plain_install(layout: Layout) -> None:
    root = catalogued.dag_of(layout, VARIANT).root

    assert in_plain_install("cid", layout.ir(VARIANT)) == f"{root}\n"
    assert in_plain_install("verify", VARIANT).startswith(f"{layout.ir(VARIANT)} is {root} ")
    assert in_plain_install("car", VARIANT, "-o", "model.car") == f"{root}\n"
    assert in_plain_install("ls", "model.car").startswith(f"{root}\n")
    assert in_plain_install("pull", root, "--from", "model.car", "-o", "out").startswith("out is")
    assert unixfs.import_path(Path("out")).root == root


def test_verify_and_pull_import_nothing_that_only_unix_has() -> None:
    program = REFUSE.format(refused=("fcntl", "resource", "pwd", "grp", "termios"))
    program += (
        "import pipeline.ipfs.pull, pipeline.steps.verify, pipeline.ipfs.gateway\n"
        "import pipeline.sources.ipfs"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_no_help_imports_anything_slow() -> None:
    program = (
        "import sys; from pipeline.cli import main\n"
        f"for command in {COMMANDS}:\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit: pass\n"
        "slow = ('torch', 'openvino', 'numpy', 'pydantic', 'multiformats', 'httpcore', 'tqdm')\n"
        "print([name for name in slow if sys.modules.get(name)], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT
    )

    assert done.stderr.strip() == "[]"
    assert done.stdout.count("Usage: ") == len(COMMANDS)
