"""ovpipe devices."""

from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import Answer, answers

if TYPE_CHECKING:
    from pipeline.runtime.devices import Device


@click.command("devices")
@answers
def command() -> Answer:
    """List OpenVINO's devices on this machine, and why others are not there."""
    from pipeline.runtime import devices

    found, lacking = devices.detect(), devices.lacking()
    fields = {"devices": [device.to_dict() for device in found], "lacking": lacking}
    lines = [line for device in found for line in _lines(device)]
    return Answer(
        fields, "\n".join([*lines, *(f"{n:<8}not here: {why}" for n, why in lacking.items())])
    )


def _lines(device: "Device") -> list[str]:
    """A line with the name, and one for each fact that is known."""
    streams = device.streams and " to ".join(map(str, device.streams))
    facts = {
        "type": ", ".join(filter(None, (device.type, device.architecture))),
        "precisions": f"{', '.join(device.precisions)}; runs at {device.execution}",
        "capabilities": ", ".join(device.capabilities),
        "memory": device.memory_bytes and f"{device.memory_bytes / 2**30:.3g} GiB",
        "driver": device.driver,
        "plugin": device.plugin,
        "threads": device.threads,
        "streams": streams,
        "requests": device.optimal_requests,
    }
    told = [f"        {label:<14}{fact}" for label, fact in facts.items() if fact]
    return [f"{device.name:<8}{device.full_name}", *told]
