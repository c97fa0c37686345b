"""What a file is instead of what its name says: a pointer to it, a page of the web, half of it.

Downloads that went wrong leave such files, and libraries say of them what they would have parsed.
"""

import json
import mmap
import re
import zipfile
from pathlib import Path

from pipeline.errors import UnfitError
from pipeline.networks import protobuf

MAX_HEADER_BYTES = 100_000_000  # as safetensors has it
_HEAD_BYTES = 512
_POINTER = b"version https://git-lfs.github.com/spec/"
_TFLITE = b"TFL3"
_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_MAY_BE_PAGES = re.compile(r"(LICEN[SC]E|COPYING|NOTICE)|\.(py|jinja)$")


def check(path: Path, where: str) -> None:
    """Hold a file against its name.

    Args:
        path: the file.
        where: what it is called in a message.

    Raises:
        UnfitError: it is something else, or ends early.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_POINTER):
        raise UnfitError(f"{where}: a Git LFS pointer (its content is not here): run git lfs pull")
    if _PAGE.match(head) and not _MAY_BE_PAGES.search(path.name):
        raise UnfitError(f"{where}: an HTML or XML page, and not what it is called: fetch it anew")
    kinds = {".safetensors": _safetensors, ".json": _json, ".bin": _pickle, ".tflite": _tflite}
    kinds |= dict.fromkeys((".model", ".spm"), _sentencepiece)
    kinds |= dict.fromkeys((".pb", ".pdmodel"), _protobuf)
    if path.suffix in kinds and (problem := kinds[path.suffix](path)):
        raise UnfitError(f"{where}: {problem}")


def _safetensors(path: Path) -> str:
    """The header says how long the file is: its own length, and where each tensor ends."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        begins = file.read(1)
        if size_bytes < 8 or not 2 <= header_bytes <= MAX_HEADER_BYTES or begins not in (b"{", b""):
            return f"not safetensors: it begins with no header, and has {size_bytes} bytes"
        file.seek(8)
        header = file.read(header_bytes)
    try:
        tensors = json.loads(header) if len(header) == header_bytes else {}
        ends = [t["data_offsets"][1] for name, t in tensors.items() if name != "__metadata__"]
    except (ValueError, LookupError, AttributeError, TypeError) as e:
        return f"not safetensors: its header cannot be read: {e}"
    wants_bytes = 8 + header_bytes + max(ends, default=0)
    if size_bytes < wants_bytes:
        return f"ends early: its header wants {wants_bytes} bytes, it has {size_bytes}"
    return ""


def _json(path: Path) -> str:
    content = path.read_bytes()
    try:
        json.loads(content)
    except RecursionError:
        return "not JSON: nested too deeply"
    except ValueError as e:
        started = content.lstrip()[:1] in (b"", b"{", b"[")
        is_cut = content.rstrip()[-1:] not in (b"}", b"]") and started
        return f"ends early after {len(content)} bytes: {e}" if is_cut else f"not JSON: {e}"
    return ""


def _pickle(path: Path) -> str:
    """A zip, as torch.save writes since 1.6, or one pickle after another, as before."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PK\3\4" and not zipfile.is_zipfile(path):
        return f"ends early after {path.stat().st_size} bytes: a zip without its directory"
    return ""


def _tflite(path: Path) -> str:
    """A FlatBuffer, which says at its fifth byte of what."""
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] != _TFLITE:
        size_bytes = path.stat().st_size
        return f"no TFLite, or half of one: want TFL3 at byte 4, it has {size_bytes} bytes"
    return ""


def _protobuf(path: Path) -> str:
    """A message of TensorFlow or Paddle: its fields fill it."""
    if not path.stat().st_size:
        return "empty"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as message:
        try:
            for _ in protobuf.fields(message):
                pass
        except EOFError as e:
            return f"ends early: {e}"
        except ValueError as e:
            return f"no Protocol Buffers, as {path.suffix} files are: {e}"
    return ""


def _sentencepiece(path: Path) -> str:
    """A ModelProto, which begins with a piece; others (tiktoken's) are left to their readers."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from sentencepiece import sentencepiece_model_pb2

    content = path.read_bytes()
    if not content:
        return "empty"
    if content[:1] != b"\n":
        return ""
    try:
        sentencepiece_model_pb2.ModelProto.FromString(content)  # type: ignore[attr-defined]
    except DecodeError:
        return f"no SentencePiece model, or one that ends early, after {len(content)} bytes"
    return ""
