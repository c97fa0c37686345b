"""Our portion of `ipfs_accelerate_py` alone and beside the upstream wheel, in one site-packages.

The upstream package (AGPL) is downloaded, installed into a scratch environment and imported there;
nothing of it is in this repository. What it imports and no index has is supplied there.
"""

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.soak
UPSTREAM = "ipfs_accelerate_py==0.0.42"
SHA256 = "fc31500c7f9c5bffc4c4b1a5e9e7c2653362fc2cfbb76986636955e30ab4ebdd"
# Whatever upstream imports that is not there becomes a module that has every name.
SUPPLIED = """
import importlib.abc, importlib.machinery, sys, types
from unittest.mock import MagicMock

OWN = ("ipfs_accelerate_py", "pipeline", "openvino", "torch", "numpy")

class Supplied(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        caller = sys._getframe(1)
        while caller and "importlib" in caller.f_code.co_filename:
            caller = caller.f_back
        if caller is None or "/ipfs_accelerate_py/" not in caller.f_code.co_filename:
            return None
        if name.partition(".")[0] in OWN:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__all__ = [], spec, []
        return module

    def exec_module(self, module):
        pass

sys.meta_path.append(Supplied())
"""
OURS = """
import sys
from ipfs_accelerate_py.hardware import HardwareDetector, HardwareProfile
from ipfs_accelerate_py.hardware.backends import get_backend, list_available_backends
from ipfs_accelerate_py.model import ModelAccelerator
assert list_available_backends() == ["cpu", "openvino"]
assert get_backend("openvino").is_available()
assert HardwareDetector().get_available_hardware()["openvino"]
print(sys.modules["ipfs_accelerate_py.hardware"].__file__)
"""
BOTH = """
import ipfs_accelerate_py
print(ipfs_accelerate_py.__file__)
assert isinstance(ipfs_accelerate_py.ipfs_accelerate_py, type)
assert "worker" in ipfs_accelerate_py.export
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Our wheel and upstream's."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = (sys.executable, "-m", "pip")
    built = run(
        *pip,
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "ours",
        str(ROOT),
        cwd=folder,
    )
    assert built.returncode == 0, built.stderr
    got = run(*pip, "download", "-q", "--no-deps", "-d", "theirs", UPSTREAM, cwd=folder)
    assert got.returncode == 0, got.stderr
    [ours], [theirs] = (folder / "ours").glob("*.whl"), (folder / "theirs").glob("*.whl")
    assert hashlib.sha256(theirs.read_bytes()).hexdigest() == SHA256
    return ours, theirs


def environment(folder: Path, *wheels: Path) -> Path:
    """The Python of an environment with these wheels, and below them the libraries of this one."""
    made = run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    assert made.returncode == 0, made.stderr
    python = folder / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "-q")
    done = run(*pip, "--no-deps", "--no-index", *wheels, cwd=folder)
    assert done.returncode == 0, done.stderr
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "supplied.py").write_text(SUPPLIED)
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def test_ours_works_alone(wheels: tuple[Path, Path], tmp_path: Path) -> None:
    python = environment(tmp_path, wheels[0])

    done = run(python, "-c", OURS, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_both_work_in_one_site_packages(wheels: tuple[Path, Path], tmp_path: Path) -> None:
    python = environment(tmp_path, *wheels)

    done = run(python, "-c", f"import supplied\n{BOTH}\n{OURS}", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(tmp_path)) for line in done.stdout.splitlines())
