"""An artifact's files in memory, and what libraries get of them."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ContentError, SpecError
from pipeline.host import reasons
from pipeline.networks import ir

if TYPE_CHECKING:
    import openvino as ov

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

    @property
    def format(self) -> str:
        """What its networks are: `IR`, or `ONNX`."""
        return "ONNX" if any(name.endswith(".onnx") for name in self.files) else "IR"

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


def _check_xml(content: memoryview, where: str) -> None:
    """Refuse what OpenVINO never writes and a parser may be led astray by."""
    text = bytes(content)
    if b"\0" in text or _DOCTYPE.search(text):
        raise ContentError(f"{where}: holds a DOCTYPE, or is not UTF-8: want OpenVINO IR")
