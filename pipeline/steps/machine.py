"""machine: what decides each cell of the grid (the plan), and what measurements (the host).

The plan is a folder with a file per cell (`_entries.py`), so that DVC runs again exactly those
cells of which something changed.
"""

import os
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.host import atomic, sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.record import to_json

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


def machine(layout: Layout) -> None:
    """Write host.json and the plan.

    Raises:
        SpecError: params.yaml is not what it must be.
    """
    with atomic.building(layout.work, "machine") as scratch:
        with ThreadPoolExecutor(1) as beside:  # a child asks for devices while the plan is made
            found = beside.submit(_devices, scratch, layout)
            from pipeline import check
            from pipeline.steps._entries import plan  # and what it imports, also meanwhile

            entries = plan(check.load(layout.params), layout)
        (scratch / "host.json").write_text(described(found.result()))
        made = atomic.folder(scratch / "plan")
        for address, entry in entries.items():
            (made / layout.entry(address).name).write_text(entry.json())
        atomic.publish(scratch / "host.json", layout.host)
        atomic.publish(made, layout.plan, durable=False)


def _devices(scratch: Path, layout: Layout) -> dict[str, str]:
    return sandbox.run(
        "pipeline.networks.session:devices",
        returns=dict[str, str],
        scratch=scratch,
        log=layout.log("machine"),
        access=Access(devices=True),
    )


def described(devices: Mapping[str, str]) -> str:
    """host.json, whose digest marks benchmarks: the processor, and OpenVINO's devices by name."""
    return to_json({**host(), "devices": devices})


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


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = text.split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
