"""ovpipe verify."""

from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import CID, Answer, answers, hashing, named

if TYPE_CHECKING:
    from pipeline.ipfs.cid import Cid


@click.command("verify")
@click.argument("target", metavar="PATH|VARIANT")
@click.argument("cid", type=CID, required=False)
@answers
def command(target: str, cid: "Cid | None") -> Answer:
    """Check that PATH, or the artifact of VARIANT, is what CID names.

    Without CID, it is the one that was recorded when the variant was packaged; then the message
    names the first file that differs.
    """
    from pipeline.steps.verify import verify

    found = named(target)
    with hashing(found.path) as progress:
        identity = verify(found, cid, progress)
    return Answer(identity.to_dict(), f"{identity.path} is {identity.cid} under {identity.profile}")
