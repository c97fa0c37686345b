"""machine: what of this machine decides bytes (toolchain) and measurements (host).

toolchain.json has a section per member of an open family, so that DVC re-runs only the cells whose
own tools changed; sources.json says of each model what its source would deliver.
"""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline import kinds
from pipeline.host import atomic, sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.record import to_json
from pipeline.spec import Params
from pipeline.steps.fetch import patterns

RUNTIME = ("openvino", "openvino-tokenizers")
BASELINE = ("torch", "transformers")  # what benchmarks compare with
_ISA_FLAGS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
)


def machine(params: Params, layout: Layout) -> None:
    """Write toolchain.json, host.json and sources.json; each only if it says something new."""
    with atomic.building(layout.work, "machine") as scratch:
        found = sandbox.run(
            "pipeline.steps.machine:devices",
            returns=dict[str, str],
            scratch=scratch,
            log=layout.log("machine"),
            access=Access(devices=True),
        )
    for path, fields in (
        (layout.toolchain, toolchain()),
        (layout.host, {**host(), "devices": found}),
        (layout.sources, sources(params)),
    ):
        atomic.write_text(to_json(fields), path, layout.work)


def toolchain() -> dict[str, Any]:
    """Versions by family and member, and of the runtime.

    A task's entry has the digest of its own code too: its name in params.yaml has hyphens, which
    dvc.yaml cannot turn into the name of a file to depend on.
    """
    members = {
        family: {name: versions(kinds.load(family, name).TOOLCHAIN) for name in kinds.names(family)}
        for family in ("format", "precision")
    }
    tasks = {}
    for name in kinds.names("task"):
        task = kinds.load("task", name)
        code = {"code_sha256": kinds.code_sha256("task", name)}
        tasks[name.replace("_", "-")] = versions(task.TOOLCHAIN) | code
    return {
        **members,
        "task": tasks,
        "runtime": versions(RUNTIME),
        "baseline": versions(BASELINE),
    }


def versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each distribution; `none` where it is not installed."""
    return {name: _version(name) for name in distributions}


def host() -> dict[str, Any]:
    """The processor as benchmarks see it."""
    fields = _cpuinfo()
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.processor() or platform.machine()),
        "cpu_family_model_stepping": [
            fields.get(key, "?") for key in ("cpu family", "model", "stepping")
        ],
        "cpus": len(os.sched_getaffinity(0)),
        "isa": [flag for flag in _ISA_FLAGS if flag in flags],
        "system": f"{platform.system()} {platform.machine()}",
    }


def devices() -> dict[str, str]:
    """In a child: the devices that OpenVINO offers here, with their full names."""
    import openvino as ov

    core = ov.Core()
    return {name: core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices}


def sources(params: Params) -> dict[str, Any]:
    """For each model what its source would deliver now, and which files of it are wanted.

    No network is asked.
    """
    return {
        model.name: {
            "fingerprint": kinds.load("source", model.source_kind).fingerprint(
                model.source_location
            ),
            "wanted": patterns(model),
            "sha256": model.sha256,
        }
        for model in params.models.values()
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = text.split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
