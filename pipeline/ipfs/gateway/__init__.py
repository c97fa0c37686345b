"""Blocks from where they are: trustless gateways, the RPC of a Kubo node, CARs on disk.

    with Blocks(root, [find_source("https://gateway.example")], store, deadline) as blocks:
        unixfs.export(root, blocks.read, out)

Nothing that a server says is believed: a block counts when its hash is the one in its CID, and is
kept only if a block that counts links to it. What was kept is not asked for again.
"""

from pipeline.ipfs.gateway.blocks import Blocks
from pipeline.ipfs.gateway.servers import (
    DEFAULT_GATEWAYS,
    VARIABLE,
    Gateway,
    Kubo,
    Source,
    find_source,
    usual_sources,
)
from pipeline.ipfs.gateway.store import Store

__all__ = [
    "DEFAULT_GATEWAYS",
    "VARIABLE",
    "Blocks",
    "Gateway",
    "Kubo",
    "Source",
    "Store",
    "find_source",
    "usual_sources",
]
