"""Repositories that keep the transformer in a folder of its own, as `0_Transformer/`.

sentence-transformers before 2.0 saved them so: `modules.json` at the top names the folder, and
weights, configuration and tokenizer lie in it. Consumers of IR look for these at the top, so that
is where parsers, and with them the artifact, have them.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

MODULES = "modules.json"
_FOLDER = re.compile(r"0_\w+", re.ASCII)


def flat(path: str) -> str:
    """A path in a repository, without the folder of its transformer."""
    folder, _, name = path.partition("/")
    return name if name and _FOLDER.fullmatch(folder) else path


def places(source: Path, names: Sequence[str]) -> dict[str, str]:
    """Where the files of a source are seen, and where they lie.

    What lies in the transformer's folder goes before what has the same name at the top.
    """
    folder = _folder(source, names)
    if not folder:
        return {name: name for name in names}
    inside = [name for name in names if name.startswith(folder)]
    return {name: name for name in names if name not in inside} | {
        name.removeprefix(folder): name for name in inside
    }


def at_top(modules: bytes) -> bytes:
    """What modules.json says where its transformer is seen at the top."""
    listed = json.loads(modules)
    return (json.dumps([{**listed[0], "path": ""}, *listed[1:]], indent=2) + "\n").encode()


def _folder(source: Path, names: Sequence[str]) -> str:
    """The folder, with a slash, that modules.json names for the transformer; empty for the top."""
    try:
        path = json.loads((source / MODULES).read_bytes())[0]["path"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""  # who reads modules.json says what is wrong with it
    nested = isinstance(path, str) and _FOLDER.fullmatch(path) and f"{path}/config.json" in names
    return f"{path}/" if nested else ""
