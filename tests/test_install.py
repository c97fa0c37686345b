"""The set-up on anybody's machine: which Python, what torch's build needs, what a wheel holds.

torch is played by small wheels that are made here, pip and the environments are real.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT

COMPLETE = ROOT / "tools" / "complete.py"
MAKE = shutil.which("make") or "make"
PACKAGES = ("pipeline", "stages", "ipfs_accelerate_py")
Completed = subprocess.CompletedProcess[str]


def run(*command: str | Path, cwd: Path, **environment: str) -> Completed:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


# What the build of torch needs


def wheel(folder: Path, name: str, version: str, *requires: str, code: str = "") -> Path:
    """A wheel with one module of its own name."""
    module, metadata = name.replace("-", "_"), [f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {line}" for line in requires]
    metadata += [f"Provides-Extra: {x}" for x in ("blas",) if "extra ==" in " ".join(requires)]
    info = f"{module}-{version}.dist-info"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}.py", code)
        archive.writestr(f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", *metadata, ""]))
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


class Machine:
    """An environment of its own beside an index that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index, self.lock = folder, folder / "index", folder / "lock"
        self.index.mkdir()
        self.python = folder / "venv" / "bin" / "python"
        run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
        site = next((folder / "venv" / "lib").glob("python*/site-packages"))
        spec = find_spec("pip")
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, site / "pip")

    def __call__(self, *arguments: str | Path) -> Completed:
        return run(
            self.python,
            *arguments,
            cwd=self.folder,
            PIP_CONFIG_FILE=os.devnull,
            PIP_NO_INDEX="1",
            PIP_FIND_LINKS=str(self.index),
        )

    def install(self, lock: str) -> None:
        """As the Makefile does: a lock, without dependencies."""
        self.lock.write_text(lock)
        done = self("-m", "pip", "install", "-qq", "--no-deps", "-r", self.lock)
        assert done.returncode == 0, done.stderr

    def complete(self, *modules: str) -> Completed:
        return self(COMPLETE, self.lock, *modules)

    def installed(self) -> list[str]:
        return self("-m", "pip", "list", "--format=freeze").stdout.split()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def gpu_torch(index: Path) -> None:
    """A torch whose index offers what it was linked with, as distributions of their own."""
    wheel(
        index,
        "torch",
        "1.0",
        "toy-cudnn==2.0",
        'toy-toolkit[blas]==3.0; platform_system == "Linux"',
        'toy-windows==1.0; platform_system == "Windows"',
        "toy-locked>=1",
        code="import toy_cudnn, toy_blas",
    )
    wheel(index, "toy-cudnn", "2.0", "toy-locked>=1")
    wheel(index, "toy-cudnn", "2.1")
    wheel(index, "toy-toolkit", "3.0", 'toy-blas==4.*; extra == "blas"')
    wheel(index, "toy-blas", "4.1")
    for version in ("1.0", "1.1"):
        wheel(index, "toy-locked", version)


def test_a_build_that_needs_more_gets_what_it_names_and_says_its_size(machine: Machine) -> None:
    gpu_torch(machine.index)
    machine.install("torch==1.0\n")
    machine.lock.write_text("torch==1.0\ntoy-locked==1.0\n")
    names = ("toy_cudnn-2.0", "toy_toolkit-3.0", "toy_blas-4.1", "toy_locked-1.0")
    size = sum((machine.index / f"{n}-py3-none-any.whl").stat().st_size for n in names) / 1e6

    before = machine("-c", "import torch")
    done = machine.complete("torch")

    assert "No module named 'toy_cudnn'" in before.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"needs 4 more distributions: {size:.1f} MB to download" in done.stderr
    assert "PIP_EXTRA_INDEX_URL" in done.stderr
    assert [line for line in machine.installed() if not line.startswith("pip==")] == [
        "torch==1.0",
        "toy-blas==4.1",
        "toy-cudnn==2.0",
        "toy-locked==1.0",
        "toy-toolkit==3.0",
    ]


def test_the_cpu_build_is_taken_where_there_is_one_and_needs_nothing(machine: Machine) -> None:
    gpu_torch(machine.index)
    wheel(machine.index, "torch", "1.0+cpu", "toy-locked")
    machine.install("torch==1.0\ntoy-locked==1.0\n")
    shutil.rmtree(machine.index)  # no index is asked

    done = machine.complete("torch", "toy_locked")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "torch==1.0+cpu" in machine.installed()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libtoy.so.9: cannot open')", "import toy: ImportError: libtoy.so.9"),
        ("import os; os.kill(os.getpid(), 4)", "import ended with -4"),
    ],
)
def test_what_does_not_import_fails_in_a_line(machine: Machine, code: str, said: str) -> None:
    wheel(machine.index, "torch", "1.0")
    wheel(machine.index, "toy", "1.0", code=code)
    machine.install("torch==1.0\ntoy==1.0\n")

    done = machine.complete("torch", "toy")

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_what_the_index_does_not_have_is_named_in_a_line(machine: Machine) -> None:
    wheel(machine.index, "torch", "1.0", "toy-cudnn==2.0")
    machine.install("torch==1.0\n")

    done = machine.complete("torch")

    assert done.returncode == 1
    assert done.stderr.startswith("error: pip install --dry-run")
    assert "toy-cudnn==2.0" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_size_that_no_server_states_is_not_invented(tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(bytes(2_500_000))
    urls = [(tmp_path / name).as_uri() for name in ("known", "unknown")]
    program = "import sys, complete; print(complete.size_of(sys.argv[1:]))"

    done = run(sys.executable, "-c", program, *urls, cwd=COMPLETE.parent)

    assert done.stdout == "2.5 MB and 1 of unknown size\n"


def test_the_lock_leaves_the_build_of_torch_to_the_index() -> None:
    pins = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]

    assert [pin for pin in pins if pin.startswith(("nvidia", "cuda", "triton"))] == []
    assert [pin for pin in pins if "+" in pin or ";" in pin] == []
    assert [pin.partition("==")[0] for pin in pins].count("torch") == 1


# Which Python


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Completed]:
    """`make .venv/bin/python` where PATH holds these programs and no others."""
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rm").symlink_to(shutil.which("rm") or "rm")

    def make(*arguments: str, **programs: str) -> Completed:
        for name, script in programs.items():
            path = tmp_path / "bin" / name.replace("_", ".")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        # Not as a part of the make that may be running this.
        alone = {"PATH": str(tmp_path / "bin"), "MAKEFLAGS": "", "MAKELEVEL": "0"}
        return run(MAKE, ".venv/bin/python", *arguments, cwd=tmp_path, **alone)

    return make


BROKEN = "echo not here >&2; exit 127"
GOOD = f'exec {sys.executable} "$@"'
# A Python that lacks something, as far as the program sees that it is asked to run (-c PROGRAM).
LACKS = f"exec {sys.executable} -c 'import sys; LACKS; exec(sys.argv[1])' \"$2\""
OLD = LACKS.replace("LACKS", "sys.version_info = (3, 10)")
NO_VENV = LACKS.replace("LACKS", 'sys.modules["ensurepip"] = None')


def test_make_takes_the_first_python_that_runs(
    make: Callable[..., Completed], tmp_path: Path
) -> None:
    done = make(python3_11=BROKEN, python3_12=OLD, python3_13=NO_VENV, python3=GOOD)

    assert done.returncode == 0, done.stderr
    assert run(tmp_path / ".venv/bin/python", "-m", "pip", "--version", cwd=tmp_path).stdout


def test_make_says_in_a_line_that_no_python_will_do(
    make: Callable[..., Completed], tmp_path: Path
) -> None:
    done = make(python3_11=BROKEN, python3_12=OLD, python3_13=NO_VENV)

    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert lines[0].startswith("error: need Python 3.11, 3.12 or 3.13")
    assert [line[:10] for line in lines[1:]] == ["make: *** "]
    assert not (tmp_path / ".venv").exists()


def test_python_that_is_named_is_the_only_one_tried(
    make: Callable[..., Completed], tmp_path: Path
) -> None:
    named = make("PYTHON=python3.13", python3_11=GOOD, python3_13=OLD)

    assert named.returncode == 2
    assert "tried: python3.13\n" in named.stderr


# Where it lies


def test_make_works_in_a_folder_whose_name_has_spaces_and_quotes(tmp_path: Path) -> None:
    folder = tmp_path / 'a project\'s "own" $folder'
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "tools/complete.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "pytest"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> ran\n')
        (programs / name).chmod(0o755)

    done = run(MAKE, "test", cwd=folder, MAKEFLAGS="", MAKELEVEL="0")

    ran = [line.split() for line in (folder / "ran").read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in ran] == ["python"] * 4 + ["pytest"]
    assert ran[-2] == ["python", "tools/complete.py", "requirements.lock"]
    assert (folder / ".venv" / "built").exists()


# The install without torch


def state() -> str:
    """The files of this tree that git does not hold, ignored ones too."""
    return run("git", "status", "--porcelain", "--ignored", cwd=ROOT).stdout


@pytest.mark.soak
def test_the_plain_install_has_every_module_no_torch_and_leaves_the_tree_as_it_was(
    tmp_path: Path,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a")
    tracked = run("git", "ls-files", *PACKAGES, cwd=ROOT).stdout.split()
    bin_, before = tmp_path / "venv" / "bin", state()
    run(sys.executable, "-m", "venv", "venv", cwd=tmp_path)

    installed = run(bin_ / "python", "-m", "pip", "install", "-qq", str(ROOT), cwd=tmp_path)
    files = run(
        bin_ / "python",
        "-c",
        "from importlib.metadata import files\n"
        "for f in files('openvino-ipfs-pipeline'): print(f)\n"
        "import ipfs_accelerate_py\n"
        "print(*ipfs_accelerate_py.__path__)\n"
        "import torch",
        cwd=tmp_path,
    )
    helped = run(bin_ / "ovpipe", "--help", cwd=tmp_path)
    cids = [run(p / "ovpipe", "cid", "folder", cwd=tmp_path) for p in (bin_, here())]

    assert installed.returncode == 0, installed.stderr
    assert state() == before
    assert set(tracked) <= set(files.stdout.splitlines())
    assert str(tmp_path / "venv") in files.stdout.splitlines()[-1]
    assert files.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"
    assert helped.returncode == 0, helped.stderr
    assert cids[0].stdout == cids[1].stdout
    assert cids[0].stdout.startswith("bafy")


def here() -> Path:
    return Path(sys.executable).parent
