"""What holds a child in: each probe is done by a plain process, and refused to a child.

They run again as an ordinary user and where namespaces are forbidden, and with them the tests of
models that try something.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import probes
import pytest
from conftest import ROOT
from ordinary import (
    NEEDS_LANDLOCK,
    as_ordinary_user,
    namespaces_are_allowed,
    without_namespaces,
)

from pipeline.errors import SandboxError
from pipeline.host import landlock, walls
from pipeline.host.sandbox import Access, Child

pytestmark = NEEDS_LANDLOCK
AGAIN = "OVPIPE_TEST_AGAIN" in os.environ


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Path]:
    """Where a child may write, and its log."""
    (tmp_path / "scratch").mkdir()
    return {"scratch": tmp_path / "scratch", "log": tmp_path / "child.log"}


def unconfined(target: dict[str, Any], cwd: Path) -> dict[str, str]:
    """How the probes end in a plain process."""
    done = subprocess.run(
        [sys.executable, probes.__file__, json.dumps(target)],
        cwd=cwd, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def test_what_a_plain_process_does_a_child_cannot(
    place: dict[str, Path], target: dict[str, Any], tmp_path: Path
) -> None:
    before = unconfined(target, tmp_path)
    Path(target["mine"]).chmod(0o644)
    Path(target["mine"]).write_text("mine")

    with Child(**place) as made:
        after = made.call("probes:attempt", target, returns=dict[str, str])

    done = {name for name, ended in before.items() if ended == "done"}
    assert done >= before.keys() - (set() if namespaces_are_allowed() else {"make_namespaces"})
    assert {name: ended for name, ended in after.items() if ended == "done"} == {}
    assert Path(target["mine"]).read_text() == "mine"
    assert Path(target["mine"]).stat().st_mtime > 1
    assert sorted(path.name for path in Path(target["mine"]).parent.glob("new-*")) != []


def test_a_child_reads_what_it_is_granted_and_cannot_write_it(
    place: dict[str, Path], target: dict[str, Any]
) -> None:
    access = Access(reads=(Path(target["secret"]),))

    with Child(access=access, **place) as made:
        after = made.call(
            "probes:attempt", {**target, "mine": target["secret"]}, returns=dict[str, str]
        )

    assert after["read_file"] == after["read_through_a_link"] == "done"
    assert {name for name, ended in after.items() if ended == "done"} == {
        "read_file",
        "read_through_a_link",
    }


def test_a_child_with_the_network_reaches_the_internet_and_no_socket_of_this_machine(
    place: dict[str, Path], target: dict[str, Any]
) -> None:
    with Child(access=Access(network=True), **place) as made:
        after = made.call("probes:attempt", target, returns=dict[str, str])

    assert {name for name, ended in after.items() if ended == "done"} == {
        "connect",
        "send_datagram",
    }


def test_the_walls_are_named(place: dict[str, Path]) -> None:
    with Child(**place) as made:
        held = made.walls

    expected = {f"landlock {landlock.version()}", "seccomp"}
    assert set(held) == expected | ({"namespaces"} if namespaces_are_allowed() else set())
    assert walls.suffice(held)


@pytest.mark.parametrize(
    ("held", "enough"),
    [
        ((), False),
        (("landlock 7",), False),
        (("seccomp", "namespaces"), False),
        (("landlock 5", "seccomp"), False),
        (("landlock 5", "seccomp", "namespaces"), True),
        (("landlock 6", "seccomp"), True),
    ],
)
def test_foreign_code_wants_landlock_and_seccomp_and_that_no_other_process_is_reached(
    held: tuple[str, ...], enough: bool
) -> None:
    assert walls.suffice(held) is enough


NO_LANDLOCK = (
    "import sys\n"
    "if sys.flags.safe_path:\n"
    "    from pipeline.host import landlock\n"
    "    landlock.version = lambda: 0\n"
)


@pytest.fixture
def no_landlock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find a kernel without Landlock."""
    (tmp_path / "sitecustomize.py").write_text(NO_LANDLOCK)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("no_landlock")
def test_without_landlock_ordinary_work_goes_on_and_foreign_code_does_not_run(
    place: dict[str, Path],
) -> None:
    with Child(**place) as made:
        assert made.call("probes:add", 1, 2, returns=int) == 3
        assert not any("landlock" in wall for wall in made.walls)

    with pytest.raises(SandboxError, match=r"runs only behind Landlock .* OVPIPE_UNCONFINED=1"):
        Child(foreign=True, **place)


@pytest.mark.usefixtures("no_landlock")
def test_foreign_code_runs_without_walls_only_where_that_is_said_and_it_is_recorded(
    place: dict[str, Path], target: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVPIPE_UNCONFINED", "1")

    with Child(foreign=True, **place) as made:
        after = made.call("probes:attempt", target, returns=dict[str, str])

        assert made.walls == ("none: OVPIPE_UNCONFINED=1",)
    assert after["read_file"] == after["connect"] == "done"


def test_the_walls_stay_around_ordinary_work_where_foreign_code_runs_without(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVPIPE_UNCONFINED", "1")

    with Child(**place) as made:
        assert "seccomp" in made.walls


def test_half_made_namespaces_are_given_up_and_the_other_walls_stand(
    place: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if sys.flags.safe_path:\n"
        "    from pipeline.host import namespaces\n"
        "    def fail(writes): raise PermissionError('mount is forbidden')\n"
        "    namespaces._freeze = fail\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    with Child(foreign=True, **place) as made:
        assert made.walls == (f"landlock {landlock.version()}", "seccomp")
        assert made.call("probes:add", 1, 2, returns=int) == 3


def test_of_a_folder_on_the_import_path_a_child_reads_only_the_code(
    place: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "package").mkdir(parents=True)
    (project / "package" / "__init__.py").write_text("FOUND = 3")
    (project / "secret").write_text("secret")
    monkeypatch.syspath_prepend(project)

    with Child(**place) as made:
        after = made.call(
            "probes:attempt",
            {"secret": str(project / "secret"), "mine": str(project / "secret")},
            returns=dict[str, str],
        )

    assert after["read_file"].startswith("PermissionError")
    assert project / "package" in walls.code_folders()
    assert project not in walls.code_folders()


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/"])
def test_of_a_place_that_python_shares_only_libraries_are_granted(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a distribution's own Python has it: /usr/bin holds every program."""
    for name in ("base_prefix", "exec_prefix", "prefix"):
        monkeypatch.setattr(sys, name, prefix)
    walls._code_folders.cache_clear()

    granted = walls.code_folders()

    assert Path(prefix) not in granted
    assert not any(Path(prefix, "bin", "sh").is_relative_to(folder) for folder in granted)
    walls._code_folders.cache_clear()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short: messages cut long ones."""
    with tempfile.TemporaryDirectory(prefix="o-") as folder:
        yield Path(folder)


@pytest.mark.skipif(AGAIN, reason="it is the one that runs the others again")
@pytest.mark.parametrize(
    ("user", "namespaces", "files"),
    [
        pytest.param(
            True, True, ("walls", "sandbox"), id="an ordinary user", marks=pytest.mark.soak
        ),
        pytest.param(False, False, ("walls",), id="no namespaces", marks=pytest.mark.soak),
        pytest.param(
            True, False, ("walls",),
            id="an ordinary user without namespaces", marks=pytest.mark.soak,
        ),
        pytest.param(
            True, True, ("foreign", "view", "sources"),
            id="models in the hands of an ordinary user", marks=pytest.mark.soak,
        ),
        pytest.param(
            True, False, ("foreign",),
            id="foreign code without namespaces", marks=pytest.mark.soak,
        ),
    ],
)  # fmt: skip
def test_all_of_it_holds_for(
    user: bool, namespaces: bool, files: tuple[str, ...], short: Path
) -> None:
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT),
        f"--basetemp={short / 'tmp'}", *(f"tests/test_{name}.py" for name in files),
    ]  # fmt: skip
    command = command if namespaces else without_namespaces(command)
    command = as_ordinary_user(command, short) if user else command

    done = subprocess.run(
        command,
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OVPIPE_TEST_AGAIN": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "[100%]" in done.stdout
