"""What is worked out of files, remembered as long as they stay as they are.

What is remembered lies under .work/ and is no more than a shortcut: without it everything is worked
out again.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline import manifest
from pipeline.host import atomic

_TICK_NS = 2_000_000_000
_MAX_ENTRIES = 100_000


class Memory:
    """JSON values by their keys, remembered in a file.

    Args:
        path: where they are remembered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        self._changed = False
        with suppress(OSError, ValueError):
            known = json.loads(path.read_bytes())
            self._known = known if isinstance(known, dict) else {}

    def get(self, key: str) -> Any:
        """What is remembered under a key, or None."""
        return self._known.get(key)

    def keep(self, key: str, value: Any) -> None:
        """Remember a value."""
        self._known[key] = value
        self._changed = True

    def save(self, work: Path) -> None:
        """Write down what is new; forget all where there is too much."""
        if self._changed:
            kept = self._known if len(self._known) <= _MAX_ENTRIES else {}
            atomic.write_text(json.dumps(kept), self._path, work)


class Digests:
    """The sha256 of files, computed again only when a file may have changed.

    What a file is known by is size, times of change, and inode; a write that leaves all of these
    alone does not happen by accident. A file that changed just before it was read is not
    remembered, because a second write in the same tick of the clock would go unnoticed (as git has
    it, racy-git).
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def sha256(self, file: Path) -> str:
        """The sha256 of a regular file, in hex; links are followed.

        Raises:
            OSError: it cannot be read.
        """
        resolved = file.resolve()
        seen = _seen(resolved)
        known = self._memory.get(str(resolved))
        if isinstance(known, list) and known[:-1] == seen:
            return str(known[-1])
        digest = manifest.sha256(resolved)
        if seen == _seen(resolved) and time.time_ns() - max(seen[1:3]) > _TICK_NS:
            self._memory.keep(str(resolved), [*seen, digest])
        return digest

    def of(self, path: Path) -> str:
        """The digest of a data set: of a file its sha256; of a folder one over names and contents.

        Raises:
            OSError: it cannot be read.
        """
        if not path.is_dir():
            return self.sha256(path)
        files = sorted(p for p in path.rglob("*") if p.is_file())
        lines = [f"{self.sha256(file)} {file.relative_to(path).as_posix()}" for file in files]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _seen(file: Path) -> list[int]:
    status: os.stat_result = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
