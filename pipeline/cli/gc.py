"""ovpipe gc."""

import click

from pipeline.cli._answers import Answer, answers


@click.command("gc")
@answers
def command() -> Answer:
    """Remove from the store (OVPIPE_HOME) what is more than OVPIPE_HOME_MAX_GIB.

    The least recently used goes first, and nothing that a process uses. 0 removes all but that.
    """
    from pipeline.runtime.store import Store

    swept = Store.usual().sweep()
    removed = "".join(f"removed {name}\n" for name in swept.removed)
    left = f"{swept.kept} kept: {swept.kept_bytes} bytes of at most {swept.cap_bytes}"
    return Answer(swept.to_dict(), f"{removed}{left}")
