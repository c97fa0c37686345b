"""catalog: every artifact and refusal, and the reports made of them."""

import click

from pipeline.terminal import stage


@click.command()
@stage
def main() -> None:
    """Write the catalog, DVC's metrics and plots, and the table."""
    from pipeline import catalog, report, spec
    from pipeline.layout import Layout

    layout = Layout()
    report.report(catalog.catalog(spec.load(layout.params), layout), layout)


if __name__ == "__main__":
    main()
