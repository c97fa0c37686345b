"""doctor: what this machine offers, found out by starting a child process as every stage does."""

import platform
from typing import NamedTuple

from pipeline import toolchain
from pipeline.host import atomic, memory, sandbox, walls
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.spec import Limits
from pipeline.steps import machine


class Examination(NamedTuple):
    """What was found.

    Args:
        devices: OpenVINO's devices, with their full names.
        held: the walls that hold around a child process.
        memory_bytes: what a child may take unless its model's entry says otherwise.
        kernel_cap: whether the kernel holds a child and all it starts to that; else we watch.
    """

    devices: dict[str, str]
    held: tuple[str, ...]
    memory_bytes: int
    kernel_cap: bool

    def lines(self) -> list[tuple[str, str]]:
        """Each fact with its label."""
        host = machine.host()
        foreign = "may run" if walls.suffice(self.held) else "is refused"
        capped = "a control group" if self.kernel_cap else "watching the processes"
        runtime = toolchain.versions(toolchain.RUNTIME).items()
        return [
            ("python", f"{platform.python_version()}, {host['system']}"),
            ("runtime", ", ".join(f"{name} {version}" for name, version in runtime)),
            ("cpu", f"{host['cpu']}, {host['cpus']} CPUs: {' '.join(host['isa'])}"),
            *[("device", f"{name}: {full}") for name, full in self.devices.items()],
            ("memory", f"{self.memory_bytes / 2**30:.3g} GiB for a child, held by {capped}"),
            ("walls", f"{', '.join(self.held) or 'none'}; code that comes with a model {foreign}"),
        ]


def examine(layout: Layout) -> Examination:
    """Start a child process and ask it.

    Raises:
        SandboxError: it does not start.
    """
    group = memory.Group.create(1 << 30)
    if group:
        group.remove()
    with (
        atomic.building(layout.work, "doctor") as scratch,
        sandbox.Child(
            scratch=scratch, log=layout.log("doctor"), access=Access(devices=True)
        ) as child,
    ):
        devices = child.call("pipeline.networks.session:devices", returns=dict[str, str])
        held = child.walls
    return Examination(
        devices=devices,
        held=held,
        memory_bytes=sandbox.memory_cap_bytes(Limits()),
        kernel_cap=group is not None,
    )
