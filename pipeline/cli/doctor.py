"""ovpipe doctor."""

import click

from pipeline.cli._answers import Answer, answers


@click.command("doctor")
@answers
def command() -> Answer:
    """Say what this machine offers, what is wrong, and what to do.

    OpenVINO, devices and drivers, versions, CPU quota, memory, the walls around child processes,
    the store, telemetry, dvc.lock. The exit code is 1 if something stops work.
    """
    from pipeline.layout import Layout
    from pipeline.runtime import doctor

    found = list(doctor.examine(Layout()))
    lines = []
    for finding in found:
        lines.append(f"{finding.label:<10}{finding.line}")
        if finding.advice:
            lines.append(f"{'':<10}{'WRONG' if finding.stops else 'note'}: {finding.advice}")
    fields = {"findings": [finding._asdict() for finding in found]}
    return Answer(fields, "\n".join(lines), is_wrong=any(finding.stops for finding in found))
