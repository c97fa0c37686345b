"""ovpipe pin."""

import click

from pipeline.cli._answers import Answer, answers


@click.command("pin")
@click.argument("variants", nargs=-1, required=True, metavar="VARIANT...")
@click.option("--to", "name", required=True, metavar="TARGET", help="A name in `pins:`.")
@answers
def command(variants: tuple[str, ...], name: str) -> Answer:
    """Publish artifacts of the catalog to a target that params.yaml names in `pins:`.

    What proves it is kept in artifacts/receipts/. Pinning what is pinned already changes nothing,
    and after a failure the same command goes on.
    """
    from pipeline import check
    from pipeline.layout import Layout
    from pipeline.steps.catalog import Catalog
    from pipeline.steps.pin import chosen, pin

    layout = Layout()
    target = check.load(layout.params).target(name)
    artifacts = chosen(variants, Catalog.read(layout.catalog))
    receipts = [pin(artifact, target, layout) for artifact in artifacts]
    fields = {"receipts": [receipt.to_dict() for receipt in receipts]}
    return Answer(fields, "\n".join(map(str, receipts)))
