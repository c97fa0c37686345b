"""ovpipe doctor: what is looked at, what is wrong, and what to do about it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT

from pipeline import cli
from pipeline.host import groups
from pipeline.layout import Layout
from pipeline.runtime import doctor
from pipeline.runtime.devices import Found

LOCK = (ROOT / "dvc.lock").read_text()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVPIPE_HOME", str(tmp_path / "home"))


def test_a_machine_that_works_ends_with_0() -> None:
    done = CliRunner().invoke(cli.main, ["doctor", "--json"])

    found = json.loads(done.stdout)["findings"]
    assert done.exit_code == 0, found
    labels = {finding["label"] for finding in found}
    assert {
        "openvino",
        "versions",
        "cpu",
        "device",
        "memory",
        "walls",
        "store",
        "telemetry",
    } <= labels
    assert any(finding["line"].startswith("CPU: ") for finding in found)
    assert not list(Path().glob(".work"))


@pytest.mark.parametrize(
    "text",
    [
        LOCK[: len(LOCK) // 2],
        LOCK[: LOCK.index("md5: ", 500) + 12],
        "stages: {",
        "\0\0\0\0",
        "a line",
        "",
    ],
)
def test_a_lock_that_dvc_left_half_written_stops_work(text: str) -> None:
    Path("dvc.lock").write_text(text)

    (finding,) = doctor.dvc(Layout())

    assert finding.stops
    assert "corrupt" in finding.line
    assert "git checkout dvc.lock" in finding.advice
    assert "\n" not in finding.line


def test_a_whole_lock_is_whole_and_none_is_none() -> None:
    assert list(doctor.dvc(Layout())) == []

    Path("dvc.lock").write_text(LOCK)

    (finding,) = doctor.dvc(Layout())
    assert not finding.stops


def test_what_stops_work_ends_with_1_and_says_what_to_do() -> None:
    Path("dvc.lock").write_text("stages: {")

    done = CliRunner().invoke(cli.main, ["doctor"])

    assert done.exit_code == 1
    assert "WRONG: git checkout dvc.lock" in done.stdout


def test_a_store_that_cannot_be_written_stops_work(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("OVPIPE_HOME", "file/store")

    finding = doctor.store()

    assert finding.stops
    assert "OVPIPE_HOME" in finding.advice


def test_other_versions_than_the_lock_has_are_named() -> None:
    Path("requirements.lock").write_text("numpy==1.2.3\n    # via x\nnobody-has-this==1\n")

    finding = list(doctor.versions(Layout()))[-1]

    assert "0 of 2" in finding.line
    assert "(lock: 1.2.3)" in finding.line
    assert not finding.stops


@pytest.mark.parametrize(
    ("bounds", "version", "admitted"),
    [
        ("<2027,>=2026.4", "2026.4.1", True),
        ("<2027,>=2026.4", "2026.3.0", False),
        ("<2027,>=2026.4", "2027.0.0", False),
        (">=8.1", "8.5.1.post2", True),
        ("", "none", False),
    ],
)
def test_bounds_admit_versions(bounds: str, version: str, admitted: bool) -> None:
    assert doctor._admits(bounds, version) == admitted


@pytest.mark.parametrize(
    ("files", "version", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 2, 1.5),
        ({"cpu.max": "max 100000\n"}, 2, None),
        ({"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}, 1, 0.5),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, 1, None),
        ({}, 2, None),
    ],
)
def test_a_quota_is_read_as_the_kernel_writes_it(
    files: dict[str, str], version: int, quota: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    place = groups.Place(1 if version == 1 else 2, tmp_path, tmp_path)

    assert groups._quota(place) == quota


def test_analytics_of_dvc_are_told() -> None:
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    analytics = true\n")
    on = doctor.telemetry(Layout())
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    off = doctor.telemetry(Layout())

    assert "dvc config core.analytics false" in on.advice
    assert off.line == "off in every process of ours"


def test_without_any_device_work_stops() -> None:
    (finding,) = doctor.devices(Found(devices=(), lacking={}))

    assert finding.stops
