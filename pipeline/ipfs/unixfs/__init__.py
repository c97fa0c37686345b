"""UnixFS: a file or folder as a DAG of blocks, and back.

    dag = import_path(folder)          the CID of what is on disk
    export(dag.root, get_block, out)   the same file or folder, from whatever holds the blocks
    import_path(out).root == dag.root

Source: https://specs.ipfs.tech/unixfs/.
"""

from pipeline.ipfs.unixfs.exporter import (
    DEFAULT_BUDGET,
    Budget,
    GetBlock,
    export,
    list_files,
    whole,
)
from pipeline.ipfs.unixfs.importer import Block, Dag, File, folder_cid, import_path
from pipeline.ipfs.unixfs.profile import DEFAULT_PROFILE, PROFILES, Profile

__all__ = [
    "DEFAULT_BUDGET",
    "DEFAULT_PROFILE",
    "PROFILES",
    "Block",
    "Budget",
    "Dag",
    "File",
    "GetBlock",
    "Profile",
    "export",
    "folder_cid",
    "import_path",
    "list_files",
    "whole",
]
