"""catalog: every artifact and refusal, and the reports made of them."""

import click

from pipeline.host.terminal import stage


@click.command()
@stage
def main() -> None:
    """Write the catalog, DVC's metrics and plots, and the table."""
    from pipeline import check, report
    from pipeline.layout import Layout
    from pipeline.steps import catalog

    layout = Layout()
    report.report(catalog.catalog(check.load(layout.params), layout), layout)


if __name__ == "__main__":
    main()
