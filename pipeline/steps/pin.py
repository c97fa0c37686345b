"""pin: an artifact of the catalog is published to a target, and the proof kept as a receipt.

A folder is sent only if it still has the CID that the catalog lists. Receipts are written whole,
after the proof, and hold nothing that changes from one pinning to the next.
"""

from collections.abc import Iterable

from pipeline import kinds
from pipeline.errors import IntegrityError, RefusedError, SpecError
from pipeline.host import atomic
from pipeline.ipfs import unixfs
from pipeline.layout import Layout
from pipeline.pins import Receipt
from pipeline.spec import Target
from pipeline.steps.catalog import Catalog, Entry


def chosen(variants: Iterable[str], catalog: Catalog) -> list[Entry]:
    """The artifacts of these variants, each once.

    Raises:
        RefusedError: one of them was refused.
        SpecError: the catalog has no such variant.
    """
    artifacts = {entry.variant: entry for entry in catalog.artifacts}
    refusals = {refusal.variant: refusal for refusal in catalog.refusals}
    for variant in variants:
        if variant in refusals and variant not in artifacts:
            raise RefusedError(f"not published, because it was refused: {refusals[variant]}")
        if variant not in artifacts:
            raise SpecError(f"variant {variant!r}: the catalog has {sorted(artifacts)}")
    return [artifacts[variant] for variant in dict.fromkeys(variants)]


def pin(entry: Entry, target: Target, layout: Layout) -> Receipt:
    """Publish one artifact and write its receipt.

    Raises:
        IntegrityError: its folder is not what the catalog lists.
        PinError: the target refuses, fails or lies.
        TransferError: the target cannot be reached, is too slow, or sends too much.
    """
    folder = layout.ir(entry.variant)
    member = kinds.load("target", target.kind)
    options = member.Options.from_dict(target.options, f"pins.{target.name}", SpecError)
    with atomic.building(layout.work, f"pin/{entry.variant}") as scratch:
        dag = unixfs.import_path(folder, entry.profile)
        if str(dag.root) != entry.cid:
            raise IntegrityError(f"{folder}: CID {dag.root}: the catalog lists {entry.cid}")
        receipt = Receipt(
            variant=entry.variant,
            cid=entry.cid,
            profile=entry.profile,
            target=target.name,
            kind=target.kind,
            proof=member.pin(entry.variant, dag, options),
        )
        written, kept = scratch / "receipt.json", layout.receipt(entry.variant, target.name)
        written.write_text(receipt.json(), encoding="utf-8", newline="\n")
        if not kept.exists() or kept.read_bytes() != written.read_bytes():
            atomic.publish(written, kept)
    return receipt
