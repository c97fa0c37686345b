"""Verified blocks in a folder, so that a transfer that broke off goes on with them.

A file per block, named by its hash. Nothing says that a file is whole but that hash: a block is
hashed again when it is read, and one that was cut off in writing is gone then.
"""

from contextlib import suppress
from pathlib import Path

from pipeline.errors import IntegrityError
from pipeline.ipfs.cid import Cid


class Store:
    """A folder of blocks; it is made with the first one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, cid: Cid) -> bool:
        return self._path(cid).exists()

    def read(self, cid: Cid) -> bytes | None:
        """The block, if it is here and undamaged."""
        path = self._path(cid)
        try:
            block = path.read_bytes()
            cid.verify(block)
        except FileNotFoundError:
            return None
        except IntegrityError:
            path.unlink()
            return None
        return block

    def write(self, cid: Cid, block: bytes) -> None:
        """Keep a block, whose hash is the caller's to check; through no link and over no file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), self._path(cid).open("xb") as file:
            file.write(block)

    def size_bytes(self) -> int:
        """Bytes that are kept."""
        files = self._folder.iterdir() if self._folder.exists() else ()
        return sum(path.stat().st_size for path in files)

    def _path(self, cid: Cid) -> Path:
        return self._folder / cid.digest.hex()
