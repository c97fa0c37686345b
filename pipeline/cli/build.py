"""ovpipe build."""

from typing import TYPE_CHECKING

import click

from pipeline.host.terminal import command as fails_in_one_line

if TYPE_CHECKING:
    from pipeline.steps.build import Step


@click.command("build")
@fails_in_one_line
def command() -> None:
    """Build what params.yaml says, as far as it can be built.

    This is `dvc repro` that goes on with everything else where a model fails, and at its end shows
    the catalog with what was refused or failed, and why. Ends with 1 if anything was. What
    `ovpipe check` would refuse of the files that params.yaml names is said first.
    """
    from pipeline import check, forecast, report
    from pipeline.errors import RefusedError
    from pipeline.layout import Layout
    from pipeline.report.table import table, times
    from pipeline.steps import build

    layout = Layout()
    params = check.load(layout.params)
    for problem in forecast.problems(params, layout):
        click.echo(f"warning: {problem}", err=True)
    built = build.build(params, layout, _show)
    click.echo(times(built.seconds), nl=False)
    listed = built.catalog
    if listed.failures:
        report.report(listed, layout)
    click.echo(table(listed), nl=False)
    if listed.refusals or listed.failures:
        raise RefusedError(f"refused {len(listed.refusals)}, failed {len(listed.failures)}")


def _show(step: "Step") -> None:
    """A line for each stage that is run or restored."""
    if step.event.what == "unchanged":
        return
    how = ", from the cache" if step.event.what == "restored" else ""
    width = len(str(step.of))
    click.echo(f"[{step.number:{width}}/{step.of}] {step.event.address}{how}")
