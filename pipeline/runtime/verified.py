"""An artifact as it was read: what is compiled is the very bytes that were hashed.

    read(folder, cid).model()      nothing that happens to the folder since `read` is in it

Every file is read once, into memory, and the CID is computed of that memory. OpenVINO gets the same
memory: a `.bin` is read into a tensor that OpenVINO owns, because a compiled model goes on using it
when whoever read it is gone. What takes nothing but paths gets a private copy, made of memory too.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import manifest
from pipeline.errors import BudgetError, ContentError, IntegrityError, SpecError
from pipeline.host import memory, reasons
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.identity import matching_scanned
from pipeline.ipfs.unixfs.files import Held as HeldFile
from pipeline.ipfs.unixfs.files import Source, scan
from pipeline.ipfs.unixfs.hashing import hold
from pipeline.manifest import FileEntry
from pipeline.networks import ir

if TYPE_CHECKING:
    import openvino as ov

_NETWORKS = (".xml", ".onnx")
_WANT = "want a folder with openvino_model.xml and .bin, or a file .xml or .onnx"
_MAX_BESIDE_BYTES = 64 << 20  # of what lies beside networks, where nothing is verified
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.IGNORECASE)
# How a tensor of an ONNX file says that its content lies in another file: the key `location` of
# StringStringEntryProto (onnx.proto3, TensorProto.external_data).
_EXTERNAL = b"\x0a\x08location"


@dataclass(frozen=True)
class Held:
    """The files of an artifact as they were read.

    Attributes:
        where: how messages call it: a path, or a CID.
        cid: what its bytes have; None where nobody said what they must have, and nothing was
            verified.
        files: their bytes, by relative path with slashes. A lone network is called
            `openvino_model`, whatever its file is.
        path: where it was read, for an ONNX file whose content lies in further ones.
        lease: what keeps the store from removing it while it is in use.
    """

    where: str
    cid: str | None
    files: Mapping[str, memoryview]
    path: Path
    weights: "Mapping[str, ov.Tensor]" = field(repr=False)
    lease: object = field(default=None, repr=False)

    def names(self) -> list[str]:
        """The names of its networks: its models less the tokenizer's two."""
        models = {
            name.rpartition(".")[0]
            for name in self.files
            if name.endswith((".xml", ".onnx")) and "/" not in name
        } - {ir.TOKENIZER, ir.DETOKENIZER}
        return sorted(name for name in models if name.startswith("openvino_")) or sorted(models)

    def model(self, name: str = ir.MODEL) -> "ov.Model":
        """A network, or the tokenizer or detokenizer.

        Raises:
            SpecError: there is none of that name.
            ContentError: OpenVINO cannot read it.
        """
        import openvino as ov

        if name in (ir.TOKENIZER, ir.DETOKENIZER):
            import openvino_tokenizers  # noqa: F401 - adds its operations to every Core
        core = ov.Core()
        try:
            if f"{name}.xml" in self.files:
                return core.read_model(*self.source(name))
            if (content := self.files.get(f"{name}.onnx")) is not None:
                if _EXTERNAL not in (whole := bytes(content)):
                    return core.read_model(whole)
                if self.cid is not None:
                    raise ContentError(f"{self.where}: {name}.onnx: its weights lie elsewhere")
                return core.read_model(
                    self.path / f"{name}.onnx" if self.path.is_dir() else self.path
                )
        except RuntimeError as e:
            raise ContentError(f"{self.where}: {name}: {reasons.last_line(str(e))}") from e
        raise SpecError(f"{self.where}: network {name!r}: have {self.names()}")

    def source(self, name: str) -> "tuple[str, ov.Tensor]":
        """Of a network its `.xml` and its weights, as libraries take them that take memory.

        Raises:
            SpecError: there is none of that name.
            ContentError: the `.xml` is not OpenVINO's.
        """
        import openvino as ov

        described = self.text(f"{name}.xml")
        _check_xml(self.files[f"{name}.xml"], f"{self.where}: {name}.xml")
        weights = self.weights.get(f"{name}.bin") or ov.Tensor(ov.Type.u8, ov.Shape([0]))
        return described, weights

    def text(self, name: str) -> str:
        """A file as text.

        Raises:
            ContentError: it is not UTF-8.
            SpecError: it is not there.
        """
        if name not in self.files:
            raise SpecError(f"{self.where}: {name}: not there")
        try:
            return str(self.files[name], "utf-8")
        except UnicodeDecodeError as e:
            raise ContentError(f"{self.where}: {name}: not UTF-8: {e.reason}") from e

    def json(self, name: str) -> dict[str, Any]:
        """A file that holds a JSON object.

        Raises:
            ContentError: it does not.
            SpecError: it is not there.
        """
        import json

        try:
            fields = json.loads(self.text(name))
        except ValueError as e:
            raise ContentError(f"{self.where}: {name}: not JSON: {e}") from e
        if not isinstance(fields, dict):
            raise ContentError(f"{self.where}: {name}: want a JSON object")
        return fields

    @contextmanager
    def copied(self, *patterns: str) -> Iterator[Path]:
        """A folder that nobody else may look into, with these files or all, until the block ends.

        For libraries that take nothing but paths. It is made of memory, not of what was read.
        """
        folder = Path(tempfile.mkdtemp(prefix="ovpipe-"))  # of mode 0700
        try:
            for name, content in self.files.items():
                if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


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
    if cid is None:
        if not holds_ir(path):
            raise SpecError(f"{path}: {_WANT}")
        found, weights = _held(_unverified(path), str(path))
    else:
        folders, sources = scan(path.resolve())
        found, weights = _held(sources, str(path))
        for source in (*folders, *sources):
            source.check()
        _verify(folders, found, cid, path, tuple(files))
        if not holds_ir(path):
            raise SpecError(f"{path}: {_WANT}")
    contents = {file.name: file.content for file in found}
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


def _check_xml(content: memoryview, where: str) -> None:
    """Refuse what OpenVINO never writes and a parser may be led astray by."""
    text = bytes(content)
    if b"\0" in text or _DOCTYPE.search(text):
        raise ContentError(f"{where}: holds a DOCTYPE, or is not UTF-8: want OpenVINO IR")
