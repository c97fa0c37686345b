"""The first wall: a private copy of a source, whose configurations name nothing outside it.

What parses a model sees this folder instead of the source: exactly the files of the lock, as links,
and configurations from which something had to go as files of their own. What goes and was needed
refuses the model.
"""

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline.errors import ExportError, IntegrityError
from pipeline.steps import _nested
from pipeline.steps._configuration import Removed, Role, clean

MAX_CONFIGURATION_BYTES = 64 << 20

# JSON that holds tokens and nothing else; no parser looks for a path in it.
_DATA = (
    "tokenizer.json",
    "tokenizer.[0-9]*.json",
    "added_tokens.json",
    "unigram.json",
    "tekken.json",
    "vocab.json",
    "vocab-*.json",
    "*_vocab.json",
)
# What a tokenizer can be made of, by the names of which transformers knows (`vocab_files_names`).
_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.[0-9]*.json",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "*.tokenizer",
    "*.codes",
    "vocab.txt",
    "dict.txt",
    "unigram.json",
    "tekken.json",
    "byte_maps.json",
    "vocab.json",
    "vocab-*.json",
    "*_vocab.json",
)
# Of a tokenizer's files these hold no vocabulary; all others may.
_NO_VOCABULARIES = (
    "added_tokens_file",
    "chat_template_file",
    "special_tokens_map_file",
    "tokenizer_config_file",
)
# Which checkpoint transformers takes: the first that is there.
_CHECKPOINTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def make(
    source: Path, names: Sequence[str], out: Path, *, allow: Collection[str] = ()
) -> tuple[str, ...]:
    """Fill a new folder with what parsers may see of a source.

    Every file is an absolute link to the file itself, which nobody may write through, except
    configurations from which something was removed, and modules.json where the transformer lay in
    a folder of its own: it is seen at the top.

    Args:
        source: the folder of the source; its files may be links.
        names: the POSIX paths of the files that its lock lists.
        out: the folder to make.
        allow: which foreign code may run: what is removed of it is refused.

    Returns:
        A line for each value that was removed: file, key and value.

    Raises:
        ExportError: a configuration is not JSON, or the model needs what had to be removed.
        IntegrityError: the source does not hold a file that the lock lists.
    """
    places = _nested.places(source, names)
    listed, notes = frozenset(places), []
    out.mkdir(parents=True)
    for name, lies in places.items():
        file, seen = (source / lies).resolve(), out / name
        if not file.is_file():
            raise IntegrityError(f"{source / lies}: missing; its lock lists it")
        seen.parent.mkdir(parents=True, exist_ok=True)
        content = written = b""
        if _is_configuration(name):
            content = _content(file, name)
            written, removed = clean(content, name, listed)
            _refuse_needed(removed, listed, allow)
            notes += [str(thing) for thing in removed]
        if name == _nested.MODULES and places.keys() != set(names):
            written = _nested.at_top(written)
        if written != content:
            seen.write_bytes(written)
        else:
            seen.symlink_to(file)
    return tuple(dict.fromkeys(notes))


def _is_configuration(name: str) -> bool:
    """Whether a file is JSON of which some parser reads more than tokens."""
    if name.endswith(".index.json"):
        return True
    return name.endswith(".json") and not _match(name, _DATA)


def _content(file: Path, name: str) -> bytes:
    size_bytes = file.stat().st_size
    if size_bytes > MAX_CONFIGURATION_BYTES:
        raise ExportError(
            f"{name}: {size_bytes} bytes: want a configuration of at most {MAX_CONFIGURATION_BYTES}"
        )
    return file.read_bytes()


def _refuse_needed(
    removed: Iterable[Removed], listed: Collection[str], allow: Collection[str]
) -> None:
    """Raise ExportError for the first removed thing without which there is no such model."""
    for thing in removed:
        if remedy := _missed(thing, listed, allow):
            raise ExportError(f"{thing}: {remedy}")


def _missed(thing: Removed, listed: Collection[str], allow: Collection[str]) -> str:
    """What would be right instead of a removed thing that is needed; else nothing."""
    file, key = PurePosixPath(thing.file), thing.key.rpartition(".")[2]
    if thing.role is Role.SHARD and _is_loaded(file, listed):
        return "not in the source: want a file beside the index, of its kind"
    if thing.role is Role.FILE and key == "transformers_weights":
        return "not in the source: want a *.safetensors file of it"
    if "auto_map" in thing.key.split(".") and "remote_code" in allow:
        return "want code of the source itself, as 'modeling.Model': no commit pins another's"
    if file.name == "modules.json" and key == "path":
        return "leads out of the source: want a folder of it"
    if _is_vocabulary(thing) and not any(_match(name, _VOCABULARIES) for name in listed):
        return "not in the source, which has no vocabulary: want tokenizer.json beside it"
    return ""


def _is_vocabulary(thing: Removed) -> bool:
    """Whether a tokenizer would have been made of a removed thing."""
    of_tokenizer = _match(thing.file, ("tokenizer_config.json", "special_tokens_map.json"))
    key = thing.key.rpartition(".")[2]
    return of_tokenizer and thing.role is Role.FILE and key not in _NO_VOCABULARIES


def _is_loaded(index: PurePosixPath, listed: Collection[str]) -> bool:
    """Whether an index is read: no checkpoint that goes before it lies beside it."""
    if index.name not in _CHECKPOINTS:
        return True
    before = _CHECKPOINTS[: _CHECKPOINTS.index(index.name)]
    return not any(str(index.with_name(name)) in listed for name in before)


def _match(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(PurePosixPath(name).name, pattern) for pattern in patterns)
