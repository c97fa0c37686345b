"""An artifact as it was read: what is compiled is the very bytes that were hashed.

    read(folder, cid).model()      nothing that happens to the folder since `read` is in it

Every file is read once, into memory, and the CID is computed of that memory. OpenVINO gets the same
memory: a `.bin` is read into a tensor that OpenVINO owns, because a compiled model goes on using it
when whoever read it is gone. What takes nothing but paths gets a private copy, made of memory too.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import manifest
from pipeline.errors import BudgetError, IntegrityError, SpecError
from pipeline.host import memory
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.identity import matching_scanned
from pipeline.ipfs.unixfs.files import Held as HeldFile
from pipeline.ipfs.unixfs.files import Source, scan
from pipeline.ipfs.unixfs.hashing import hold
from pipeline.manifest import FileEntry
from pipeline.networks import ir
from pipeline.runtime.held import Held

if TYPE_CHECKING:
    import openvino as ov

_NETWORKS = (".xml", ".onnx")
_WANT = "want a folder with openvino_model.xml and .bin, or a file .xml or .onnx"
_MAX_BESIDE_BYTES = 64 << 20  # of what lies beside networks, where nothing is verified


def holds_ir(path: Path) -> bool:
    """Whether a path is one that `read` takes, as far as names tell."""
    if path.is_dir():
        return any(below.suffix in _NETWORKS for below in path.iterdir())
    return path.suffix in _NETWORKS and path.exists()


def read(path: Path, cid: Cid | None = None, *, files: Iterable[FileEntry] = ()) -> Held:
    """The files of an IR folder, of a lone `.xml` with its `.bin`, or of a lone `.onnx`.

    Args:
        path: the folder or file; it may itself be a link.
        cid: what the folder must be; without one nothing is verified, links are followed, and what
            is large and no network is left out.
        files: the manifest that goes with the CID, so that a message can name the file.

    Raises:
        IntegrityError: it has another CID, or changed while it was read.
        ContentError: it holds something that is neither a file nor a folder.
        BudgetError: it does not fit into this machine's memory.
        SpecError: it is no IR.
    """
    if not path.exists():
        raise SpecError(f"{path}: not there")
    if cid is None and not holds_ir(path):
        raise SpecError(f"{path}: {_WANT}")
    if cid is None:
        found, weights = _held(_unverified(path), str(path))
    else:
        folders, sources = scan(path.resolve())
        found, weights = _held(sources, str(path))
        for source in (*folders, *sources):
            source.check()
        _verify(folders, found, cid, path, tuple(files))
    contents = {file.name: file.content for file in found}
    if not any(name.endswith(_NETWORKS) for name in contents):
        raise SpecError(f"{path}: {_WANT}")
    return Held(str(path), str(cid) if cid else None, contents, path.resolve(), weights)


def _unverified(path: Path) -> list[Source]:
    """What belongs to a folder or file that nobody gave a CID for; links are followed."""
    if path.is_dir():
        below = [*path.glob("*"), *path.glob("*/*")]
        names = {file: file.relative_to(path).as_posix() for file in below if not file.is_dir()}
    else:
        names = {path: f"{ir.MODEL}{path.suffix}"}
    weights = {
        file.with_suffix(".bin"): f"{name[:-4]}.bin"
        for file, name in names.items()
        if file.suffix == ".xml"
    }
    names |= {file: name for file, name in weights.items() if file.exists()}
    return [
        Source(name, source.path, source.stamp)
        for file, name in names.items()
        for source in scan(file.resolve())[1]
        if source.size_bytes <= _MAX_BESIDE_BYTES or file.suffix in _NETWORKS or file in weights
    ]


def _held(sources: Sequence[Source], where: str) -> "tuple[list[HeldFile], dict[str, ov.Tensor]]":
    """The files in memory, those with weights in OpenVINO's."""
    import openvino as ov

    total_bytes = sum(source.size_bytes for source in sources)
    if total_bytes > memory.available_bytes():
        have = memory.available_bytes()
        raise BudgetError(f"{where}: {total_bytes} bytes: this machine has {have} of memory")
    names = {source.name for source in sources}
    weights: dict[str, ov.Tensor] = {}

    def allocate(source: Source) -> memoryview:
        stem, dot, suffix = source.name.rpartition(".")
        if f"{dot}{suffix}" != ".bin" or f"{stem}.xml" not in names or not source.size_bytes:
            return memoryview(bytearray(source.size_bytes))
        weights[source.name] = ov.Tensor(ov.Type.u8, ov.Shape([source.size_bytes]))
        return memoryview(weights[source.name].data)

    return list(hold(sources, allocate)), weights


def _verify(
    folders: Sequence[Source],
    found: Sequence[HeldFile],
    cid: Cid,
    path: Path,
    expected: Sequence[FileEntry],
) -> None:
    """Hold memory against a CID; the message names the file that differs where one is known."""
    try:
        matching_scanned(folders, found, cid, str(path))
    except IntegrityError as e:
        if expected:
            contents = {file.name: file.content for file in found}
            manifest.compare(manifest.of_contents(contents), expected, path)
            raise IntegrityError(f"{e}; every file is as its manifest says, which lies") from e
        raise
