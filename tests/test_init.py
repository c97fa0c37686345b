"""`ovpipe init`: a repository of the user's own, with nothing overwritten."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT

from pipeline import check, cli
from pipeline.host import atomic
from pipeline.steps import _repository, _templates
from pipeline.steps import init as step

IGNORED = {".gitignore": "/artifacts/\n/.work/\n", ".dvcignore": "__pycache__\n.venv\n.work\n"}
TEMPLATES = ("dvc.yaml", "params.yaml", *_templates.DATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place for a project, with a space in its name; not there yet."""
    return tmp_path / "my models"


@pytest.fixture
def project(folder: Path) -> Path:
    """What `ovpipe init` makes in an empty place."""
    done(init(folder))
    return folder


def init(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.main, ["init", str(folder), *words])


def done(result: Result) -> list[str]:
    """The lines of a command that ended well, without the last, which names the next command."""
    assert result.exit_code == 0, result.output
    *lines, last = result.stdout.splitlines()
    assert last.startswith("next: ")
    return lines


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a program says that ends well."""
    answer = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, but those that git, DVC and our locks keep for themselves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".git", ".dvc", ".work"} & set(path.parts)
    }


# What it makes


def test_an_empty_folder_becomes_a_project_that_dvc_accepts(folder: Path) -> None:
    folder.mkdir()

    lines = done(init(folder))

    written = [f"{name}: written" for name in TEMPLATES]
    assert lines[:-2] == ["git repository: made", "DVC repository: made", *written]
    assert [line.partition(":")[0] for line in lines[-2:]] == list(IGNORED)
    assert contents(folder).keys() == {*TEMPLATES, *IGNORED}
    assert (folder / ".dvc/config").read_bytes() == (ROOT / ".dvc/config").read_bytes()
    assert "3 variants" in run("ovpipe", "check", cwd=folder)
    assert "quantize@minilm-fp16" in run("dvc", "stage", "list", cwd=folder)
    assert "fetch@minilm" in run("dvc", "status", cwd=folder)


def test_the_files_are_those_that_this_project_is_built_from(project: Path) -> None:
    for name in TEMPLATES:
        assert (project / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_default_params_name_the_data_that_are_written() -> None:
    model = check.load(ROOT / "params.yaml").model("minilm")

    assert {data.place for data in model.data.values()} == set(_templates.DATA)


def test_what_git_and_dvc_are_told_to_ignore_is_ignored_here_too() -> None:
    for name, lines in IGNORED.items():
        assert set(lines.split()) <= set((ROOT / name).read_text().split())


def test_it_names_the_next_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = init(folder)
    monkeypatch.chdir(folder)
    here = CliRunner().invoke(cli.main, ["init"])

    assert elsewhere.stdout.splitlines()[-1] == (
        f"next: cd '{folder}' && ovpipe check && ovpipe build"
    )
    assert here.stdout == "next: ovpipe check && ovpipe build\n"


def test_a_second_time_changes_and_says_nothing(project: Path) -> None:
    before = contents(project)

    lines = done(init(project))

    assert lines == []
    assert contents(project) == before


# Repositories that are there


def test_a_git_repository_stays_and_gets_dvc(folder: Path) -> None:
    folder.mkdir()
    run("git", "init", "-q", cwd=folder)
    run("git", "config", "user.name", "somebody", cwd=folder)

    lines = done(init(folder))

    assert "git repository: made" not in lines
    assert "DVC repository: made" in lines
    assert run("git", "config", "user.name", cwd=folder) == "somebody\n"


def test_a_folder_in_a_git_repository_becomes_a_dvc_repository_of_its_own(folder: Path) -> None:
    (folder / "models").mkdir(parents=True)
    run("git", "init", "-q", cwd=folder)

    done(init(folder / "models"))

    assert not (folder / "models" / ".git").exists()
    assert run("dvc", "root", cwd=folder / "models") == ".\n"


def test_a_folder_in_a_dvc_repository_uses_that_with_its_settings(folder: Path) -> None:
    folder.mkdir()
    run("git", "init", "-q", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    run("dvc", "config", "cache.type", "copy", cwd=folder)
    config = (folder / ".dvc/config").read_bytes()

    lines = done(init(folder / "sub" / "models"))

    assert [line for line in lines if "repository" in line] == []
    assert (folder / ".dvc/config").read_bytes() == config
    assert not (folder / "sub/models/.dvc").exists()
    assert run("dvc", "root", cwd=folder / "sub/models") == f"{Path('../..')}\n"
    assert "fetch@minilm" in run("dvc", "status", cwd=folder / "sub/models")
    assert "3 variants" in run("ovpipe", "check", cwd=folder / "sub/models")


# Files that are there


def test_files_that_differ_are_kept_and_said(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    mine = {
        "dvc.yaml": b"stages: {}\n",
        "params.yaml": (ROOT / "params.yaml").read_bytes().replace(b"rounds: 5", b"rounds: 7"),
        _templates.DATA[0]: b"a text of mine\r\n",
        "notes.txt": b"",
    }
    for name, content in mine.items():
        (folder / name).write_bytes(content)

    lines = done(init(folder))

    after = contents(folder)
    assert {name: after[name] for name in mine} == mine
    assert after.keys() == mine.keys() | {*TEMPLATES, *IGNORED}
    kept = [line for line in lines if "kept" in line]
    assert [line.partition(":")[0] for line in kept] == list(TEMPLATES[:3])
    assert "not ours" in kept[0]


def test_data_that_the_params_do_not_name_are_not_written(folder: Path) -> None:
    folder.mkdir()
    (folder / "params.yaml").write_text("learning_rate: 3\n")

    done(init(folder))

    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.log\n/.work/\n", b"*.log\n/.work/\n/artifacts/\n"),
        (b"*.log", b"*.log\n/artifacts/\n/.work/\n"),
        (b"# mine\r\n/.work/\r\n/artifacts/\r\n", b"# mine\r\n/.work/\r\n/artifacts/\r\n"),
    ],
)
def test_an_ignore_file_gets_the_lines_that_it_lacks(
    before: bytes, after: bytes, folder: Path
) -> None:
    folder.mkdir()
    for name in IGNORED:
        (folder / name).write_bytes(before)

    done(init(folder))

    assert (folder / ".gitignore").read_bytes() == after
    assert (folder / ".dvcignore").read_bytes().startswith(before)
    assert set(IGNORED[".dvcignore"].encode().split()) <= set(
        (folder / ".dvcignore").read_bytes().split()
    )


# Refusals


@pytest.mark.parametrize(
    ("name", "is_folder"),
    [("dvc.yaml", True), ("params.yaml", True), (".gitignore", True), ("data", False)],
)
def test_what_lies_in_the_way_is_said_before_anything_is_made(
    name: str, is_folder: bool, folder: Path
) -> None:
    folder.mkdir()
    (folder / name).mkdir() if is_folder else (folder / name).touch()

    said = refusal(init(folder))

    assert str(folder / name) in said
    assert os.listdir(folder) == [name]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "file: a file; want a folder" in refusal(init(tmp_path / "file"))


def test_without_git_or_dvc_nothing_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr(_repository, "find_spec", lambda name: None)
        no_dvc = refusal(init(folder))
    monkeypatch.setenv("PATH", os.devnull)
    no_git = refusal(init(folder))

    assert "dvc: not installed; want pip install" in no_dvc
    assert "git: not on PATH" in no_git
    assert not folder.exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'fatal: dubious' >&2; exit 128", "git rev-parse --show-toplevel: fatal: dubious"),
        ("exec sleep 60", "git rev-parse --show-toplevel: no end after 1 s"),
        (
            'test "$1" = init || { echo fatal: not a git repository >&2; exit 128; }; exit 3',
            "git init --quiet: ended with 3",
        ),
    ],
)
def test_a_git_that_fails_or_hangs_ends_it_in_a_line(
    script: str, said: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(_repository, "_DEADLINE_S", 1)
    monkeypatch.setattr(_repository, "in_dvc", lambda folder: False)

    assert said in refusal(init(folder))
    assert contents(folder) == {}


def test_what_was_interrupted_is_completed_by_the_same_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(built: Path, target: Path, *, replace: bool = True) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as interrupted:
        interrupted.setattr(atomic, "publish", full)
        said = refusal(init(folder))
    done(init(folder))

    assert "No space left on device" in said
    assert contents(folder).keys() == {*TEMPLATES, *IGNORED}


def test_a_dvc_that_fails_ends_it_in_its_own_words(folder: Path) -> None:
    folder.mkdir()
    run("git", "init", "-q", cwd=folder)
    (folder / ".gitignore").write_text(".dvc\n")

    said = refusal(init(folder))

    assert said.startswith("error: dvc init --subdir: ERROR: failed to initiate DVC")
    assert ".dvc is ignored" in said
    assert contents(folder) == {".gitignore": b".dvc\n"}


# --update


def test_an_update_leaves_what_is_up_to_date(project: Path) -> None:
    before = contents(project)

    lines = done(init(project, "--update"))

    assert lines == ["dvc.yaml: version 2 already"]
    assert contents(project) == before


@pytest.mark.parametrize("version", [1, 2])
def test_an_update_keeps_a_changed_grid_beside_the_new_one(version: int, project: Path) -> None:
    new = (project / "dvc.yaml").read_bytes()
    changed = new.replace(b"version 2.", b"version %d." % version) + b"# mine\n"
    (project / "dvc.yaml").write_bytes(changed)
    before = contents(project)

    kept, updated = done(init(project)), done(init(project, "--update"))

    assert kept == ["dvc.yaml: kept, it differs from version 2: `ovpipe init --update`"]
    assert updated == [
        f"dvc.yaml: version 2 written; what was there, version {version}, is dvc.yaml.before"
    ]
    assert contents(project) == {**before, "dvc.yaml": new, "dvc.yaml.before": changed}
    run("dvc", "stage", "list", cwd=project)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (b"stages: {}\n", "not ours: want its first line to be '# Grid of"),
        (b"", "not ours"),
        (b"# Grid of openvino-ipfs-pipeline, version 3. Newer\n", "version 3: this ovpipe has 2"),
    ],
)
def test_an_update_does_not_touch_what_is_not_ours_or_newer(
    grid: bytes, said: str, project: Path
) -> None:
    (project / "dvc.yaml").write_bytes(grid)
    before = contents(project)

    assert said in refusal(init(project, "--update"))
    assert contents(project) == before


def test_an_update_wants_something_to_update_and_a_place_for_it(project: Path) -> None:
    (project / "dvc.yaml").write_bytes((project / "dvc.yaml").read_bytes() + b"# mine\n")
    (project / "dvc.yaml.before").write_bytes(b"an older one")

    assert "dvc.yaml.before: there already" in refusal(init(project, "--update"))
    (project / "dvc.yaml").unlink()
    assert "dvc.yaml: not there; `ovpipe init`" in refusal(init(project, "--update"))
    assert (project / "dvc.yaml.before").read_bytes() == b"an older one"


# Where the files come from


def test_the_grid_of_this_project_has_a_version() -> None:
    assert step._version((ROOT / "dvc.yaml").read_bytes()) is not None


def test_a_wheel_holds_what_a_checkout_has_under_names_that_dvc_does_not_know() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    places = {name: _templates.packaged(name) for name in _templates.ALL}

    assert build["targets"]["wheel"]["force-include"] == {
        name: f"pipeline/{place}" for name, place in places.items()
    }
    assert {Path(place).suffix for place in places.values()} == {".template"}


@pytest.mark.soak
def test_a_wheel_makes_the_artifact_of_the_readme_in_a_repository_of_its_own(
    folder: Path, tmp_path: Path
) -> None:
    wheel, here = tmp_path / "wheel", str(Path(sys.executable).parent)
    pip = (sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation")
    run(*pip, "--target", str(wheel), str(ROOT), cwd=tmp_path)
    path = os.pathsep.join([str(wheel / "bin"), here, os.environ["PATH"]])
    alone = {"PYTHONPATH": str(wheel), "PATH": path}
    named = next(
        line.split()[1]
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("  minilm-fp16  bafy")
    )
    folder.mkdir()

    module = run(
        "python", "-P", "-c", "import pipeline; print(pipeline.__file__)", cwd=folder, **alone
    )
    run("ovpipe", "init", cwd=folder, **alone)
    run("dvc", "repro", "quantize@minilm-fp16", cwd=folder, **alone)
    cid = run("ovpipe", "cid", "artifacts/ir/minilm-fp16", cwd=folder, **alone)

    assert Path(module.strip()).is_relative_to(wheel)
    assert shutil.which("ovpipe", path=path) == str(wheel / "bin" / "ovpipe")
    assert cid.strip() == named
