"""doctor: what this machine and this installation offer, what is wrong with them, and what to do.

Devices and walls are found out by starting a child process, as every stage does.
"""

import importlib.util
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline import toolchain
from pipeline.errors import EvidenceError, PipelineError
from pipeline.host import groups, memory, sandbox, walls
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.runtime.devices import Found
from pipeline.runtime.store import Store
from pipeline.spec import Limits
from pipeline.steps import machine

OURS = "openvino-ipfs-pipeline"
_REINSTALL = "pip install --force-reinstall openvino"
_FREE_BYTES = 1 << 30
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)", re.MULTILINE)
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_DRIVERS = {
    "GPU": ("dev/dri", "for an Intel GPU: install intel-opencl-icd, and be in the group render"),
    "NPU": ("dev/accel", "for an Intel NPU: install linux-npu-driver, and be in the group render"),
}


class Finding(NamedTuple):
    """Something that was looked at.

    Args:
        label: what.
        line: how it is.
        advice: what to do, where something is to be done.
        stops: work goes on only when it is done.
    """

    label: str
    line: str
    advice: str = ""
    stops: bool = False


def examine(layout: Layout) -> Iterator[Finding]:
    """Look at everything, one after another."""
    host = machine.host()
    yield Finding("python", f"{platform.python_version()}, {host['system']}")
    yield from openvino()
    yield from versions(layout)
    yield cpu(host)
    yield from _child()
    yield store()
    yield telemetry(layout)
    yield from dvc(layout)


def openvino() -> Iterator[Finding]:
    """Whether OpenVINO is there, and which."""
    if importlib.util.find_spec("openvino") is None:
        yield Finding("openvino", "not installed", f"pip install {OURS}", stops=True)
        return
    try:
        import openvino as ov
    except (ImportError, OSError) as e:  # a library that it wants is not there
        yield Finding("openvino", f"does not load: {e}", _REINSTALL, stops=True)
        return
    where = Path(ov.__file__).parent
    others = toolchain.versions((*toolchain.RUNTIME[1:], "openvino-genai")).items()
    beside = ", ".join(f"{name} {version}" for name, version in others)
    yield Finding("openvino", f"{ov.__version__} in {where}; {beside}")


def versions(layout: Layout) -> Iterator[Finding]:
    """What is installed, against what this project admits and a lock that lies here."""
    needed = dict(_needed())
    have = toolchain.versions(needed)
    wrong = [f"{n} {have[n]} (want {needed[n]})" for n in needed if not _admits(needed[n], have[n])]
    if wrong:
        line = f"not what {OURS} runs with: {', '.join(wrong)}"
        yield Finding("versions", line, f"pip install --upgrade {OURS}", stops=True)
    elif needed:
        yield Finding("versions", f"all that {OURS} needs, as it wants them")
    else:
        yield Finding("versions", f"{OURS} runs from its sources: nothing says what it wants")
    lock = layout.root / "requirements.lock"
    if lock.is_file():
        yield _held_against(lock)


def _held_against(lock: Path) -> Finding:
    """What of a lock is installed, and in which version."""
    pins = dict(_PIN.findall(lock.read_text(encoding="utf-8")))
    # `+cpu` says where a wheel comes from, and a lock that names none takes any.
    have = {name: version.partition("+")[0] for name, version in toolchain.versions(pins).items()}
    there = [name for name in pins if have[name] != "none"]
    other = [f"{n} {have[n]} (lock: {pins[n]})" for n in there if have[n] != pins[n]]
    line = f"{len(there) - len(other)} of {len(pins)} in {lock.name} are installed as it says"
    if not other:
        return Finding("lock", line)
    advice = f"for the CIDs that others get: pip install --no-deps -r {lock.name}"
    return Finding("lock", f"{line}; not {', '.join(other)}", advice)


def _needed() -> Iterator[tuple[str, str]]:
    """The distributions that the plain install needs, with their bounds."""
    try:
        lines = metadata.requires(OURS) or []
    except metadata.PackageNotFoundError:  # run from its sources
        return
    for needed in map(Requirement, lines):
        if needed.marker is None:
            yield needed.name, str(needed.specifier)


def _admits(bounds: str, version: str) -> bool:
    """Whether bounds as `>=2026.4,<2027` admit a version."""
    return version != "none" and SpecifierSet(bounds).contains(version, prereleases=True)


def cpu(host: dict[str, Any]) -> Finding:
    """The processors, and the part of their time that is ours."""
    line = f"{host['cpu']}, {host['cpus']} CPUs: {' '.join(host['isa'])}"
    quota = groups.cpu_quota()
    if quota is None:
        return Finding("cpu", f"{line}; no quota")
    line = f"{line}; a quota of {quota:.3g}"
    if quota >= host["cpus"]:
        return Finding("cpu", line)
    advice = (
        f"OpenVINO counts CPUs: want INFERENCE_NUM_THREADS {max(1, int(quota))} (bench -nthreads)"
    )
    return Finding("cpu", line, advice)


def _child() -> Iterator[Finding]:
    """What a child process finds, and what holds it."""
    group = memory.Group.create(1 << 30)
    if group:
        group.remove()
    try:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            access = Access(devices=True)
            with sandbox.Child(scratch=scratch, log=scratch / "log", access=access) as child:
                held = child.walls
                found = child.call("pipeline.runtime.devices:look", returns=Found)
    except PipelineError as e:
        yield Finding("devices", str(e), "ovpipe devices asks them without a child", stops=True)
        return
    yield from devices(found)
    capped = "a control group" if group else "watching the processes"
    cap = sandbox.memory_cap_bytes(Limits()) / 2**30
    yield Finding("memory", f"{cap:.3g} GiB for a child, held by {capped}")
    foreign = "may run" if walls.suffice(held) else "is refused"
    yield Finding("walls", f"{', '.join(held) or 'none'}; code that comes with a model {foreign}")


def devices(found: Found) -> Iterator[Finding]:
    """The devices that are there, with their drivers; and those whose hardware alone is."""
    for device in found.devices:
        driver = f"driver {device.driver}" if device.driver else "needs no driver"
        line = f"{device.full_name}: {', '.join(device.precisions)}; {driver}"
        yield Finding("device", f"{device.name}: {line}")
    if not found.devices:
        yield Finding("device", "none", _REINSTALL, stops=True)
    for name, why in found.lacking.items():
        place, advice = _DRIVERS.get(name, ("", ""))
        is_there = bool(place) and Path("/", place).exists()
        yield Finding("device", f"{name}: not here: {why}", advice if is_there else "")


def store() -> Finding:
    """Whether artifacts can be kept."""
    try:
        usual = Store.usual()
        with tempfile.TemporaryFile(dir=usual.folder("ir")) as file:
            file.write(b"\0")
        free = os.statvfs(usual.home)
    except (PipelineError, OSError) as e:
        return Finding("store", str(e), "set OVPIPE_HOME to a folder that is yours", stops=True)
    free_bytes = free.f_bavail * free.f_frsize
    line = f"{usual.home}: writable, {free_bytes / 2**30:.3g} GiB free"
    advice = "make room, or set OVPIPE_HOME to another disk" if free_bytes < _FREE_BYTES else ""
    return Finding("store", line, advice)


def telemetry(layout: Layout) -> Finding:
    """Whether anything reports to anybody."""
    on = []
    if sys.modules.get("openvino_telemetry") is not None:
        on.append("import pipeline before openvino")
    if os.environ.get("HF_HUB_DISABLE_TELEMETRY") != "1":
        on.append("set HF_HUB_DISABLE_TELEMETRY=1")
    config = layout.root / ".dvc" / "config"
    if config.is_file() and not _dvc_is_quiet(config):
        on.append("dvc config core.analytics false")
    if on:
        return Finding("telemetry", "not all off", "; ".join(on))
    is_there = toolchain.versions(["openvino-telemetry"])["openvino-telemetry"] != "none"
    others = "openvino-telemetry reports from programs of others: opt_in_out --opt_out"
    return Finding("telemetry", "off in every process of ours", others if is_there else "")


def _dvc_is_quiet(config: Path) -> bool:
    parser = ConfigParser()
    try:
        parser.read_string(config.read_text(encoding="utf-8"))
        return not parser.getboolean("core", "analytics", fallback=True)
    except (ConfigError, ValueError):
        return False


def dvc(layout: Layout) -> Iterator[Finding]:
    """Whether dvc.lock is whole: DVC writes it in place, and may be killed meanwhile."""
    lock = layout.root / "dvc.lock"
    if not lock.exists():
        return
    advice = "git checkout dvc.lock, or remove it: dvc repro then takes what it had from its cache"
    try:
        stages = _locked(lock)
    except EvidenceError as e:
        yield Finding("dvc.lock", str(e), advice, stops=True)
    else:
        yield Finding("dvc.lock", f"whole: {stages} stages")


def _locked(lock: Path) -> int:
    """How many stages a lock has.

    Raises:
        EvidenceError: it is not whole.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        fields = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as e:
        line = getattr(getattr(e, "problem_mark", None), "line", None)
        at = "" if line is None else f" at line {line + 1}"
        raise EvidenceError(f"{lock}: no YAML{at}, so it is corrupt") from e
    if not isinstance(fields, dict) or not isinstance(fields.get("stages", {}), dict):
        raise EvidenceError(f"{lock}: no lock, so it is corrupt")
    for name, stage in fields.get("stages", {}).items():
        if not _is_whole(stage):
            raise EvidenceError(f"{lock}: stage {name!r} is cut off, so it is corrupt")
    return len(fields.get("stages", {}))


def _is_whole(stage: Any) -> bool:
    if not isinstance(stage, dict) or "cmd" not in stage:
        return False
    entries = [entry for key in ("deps", "outs") for entry in stage.get(key) or ()]
    return all(
        isinstance(entry, dict)
        and "path" in entry
        and (entry.get("hash", "md5") != "md5" or bool(_MD5.fullmatch(str(entry.get("md5")))))
        for entry in entries
    )
