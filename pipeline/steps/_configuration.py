"""A model's JSON configuration without any path that leads out of its source.

transformers opens what these files name, wherever it lies: keys of tokenizer_config.json and of
special_tokens_map.json become arguments of the tokenizer, an index names its shards. So a string
that leads out is removed under whichever key it stands, except where the formats define free text;
a key that holds a file must name one of the source; code must be the source's own.

Keys as transformers 5.5, tokenizers 0.22, optimum 2.3 and sentence-transformers 6.2 read them.
"""

import json
import re
import reprlib
from collections.abc import Collection, Iterator
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from pipeline.errors import ExportError

MAX_REMOVED = 1000

# Free text, with all that stands below: labels of classes, contents of tokens, what goes before an
# input or ends an output, expressions that parse an answer.
_TEXT = re.compile(
    r".*_tokens?|id2label|label2id|label_(names|descriptions)|added_tokens_(decoder|encoder)"
    r"|content|never_split|template|prefix|prompts|stop_strings|task_specific_params"
    r"|response_schema"
)
# Files: by the name of the argument, and the positional arguments of a tokenizer.
_FILES = re.compile(r".*_files?|vocab|merges|(source|target)_spm|init_inputs|transformers_weights")
_CODE = re.compile(r"auto_map|impl")  # of a model, and of a pipeline
_SHARDS = re.compile(r"weight_map")
_OUTSIDE = re.compile(r"[/~]|\\\\|[A-Za-z]:[/\\]|file:", re.IGNORECASE)
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 100


class Role(Enum):
    """What a string is, by the key that it stands under."""

    PLAIN = auto()
    TEXT = auto()
    FILE = auto()
    CODE = auto()
    SHARD = auto()
    TWICE = auto()  # the key is written again further on, and json takes the last one


class Removed(NamedTuple):
    """A value that went, and why: what it is in a configuration."""

    file: str
    key: str
    value: object
    role: Role

    def __str__(self) -> str:
        keys = self.key if self.key.isprintable() else ascii(self.key)[1:-1]
        return f"{self.file}: {keys[:100]}: {_SHOWN.repr(self.value)}"


def clean(content: bytes, file: str, names: Collection[str]) -> tuple[bytes, list[Removed]]:
    """A configuration without what leads out, in its own style, and what went.

    Args:
        content: the bytes of the file; they are given back if nothing has to go.
        file: its POSIX path inside the source.
        names: the paths of all files of the source.

    Raises:
        ExportError: it is not JSON, or too much would go.
    """
    try:
        text = content.decode("utf-8")
        removed: list[Removed] = []
        whole = json.loads(text, object_pairs_hook=lambda pairs: _last(pairs, file, removed))
        cleaned = _Cleaner(file, names, removed).value(whole, (), Role.PLAIN)
        if (count := len(set(map(str, removed)))) > MAX_REMOVED:
            raise ExportError(
                f"{file}: {count} values lead out of the source or are written twice: "
                f"want at most {MAX_REMOVED}"
            )
        if not removed:
            return content, []
        return _dumped(None if cleaned is _GONE else cleaned, whole, text), removed
    except (ValueError, RecursionError) as e:
        reason = "nested too deeply" if isinstance(e, RecursionError) else str(e)
        raise ExportError(f"{file}: not JSON: {reason}") from e


def leads_out(text: str) -> bool:
    """Whether a string, taken as a path, is absolute on some system or climbs with `..`."""
    return bool(_OUTSIDE.match(text)) or ".." in re.split(r"[/\\]", text)


def _last(pairs: list[tuple[str, Any]], file: str, removed: list[Removed]) -> dict[str, Any]:
    """An object as json reads it; of keys that are written twice the earlier ones went."""
    later: set[str] = set()
    for key, value in reversed(pairs):
        if key in later:
            removed.append(Removed(file, key, value, Role.TWICE))
        later.add(key)
    return dict(pairs)


_GONE: Any = object()


class _Cleaner:
    """Rebuilds a configuration; what it leaves out is added to `removed`."""

    def __init__(self, file: str, names: Collection[str], removed: list[Removed]) -> None:
        self._file, self._names, self._removed = file, names, removed
        self._folder = PurePosixPath(file).parent

    def value(self, value: Any, keys: tuple[str, ...], role: Role) -> Any:
        """What is left of a value, or `_GONE`."""
        if isinstance(value, str):
            return value if self._may_stay(value, role) else self._remove(value, keys, role)
        if isinstance(value, list):
            made = [self.value(element, keys, role) for element in value]
            return [element for element in made if element is not _GONE]
        if isinstance(value, dict):
            return dict(self._members(value, keys, role))
        return value

    def _members(
        self, fields: dict[str, Any], keys: tuple[str, ...], role: Role
    ) -> Iterator[tuple[str, Any]]:
        for key, value in fields.items():
            below = (*keys, key)
            if role in (Role.PLAIN, Role.FILE) and leads_out(key):
                self._remove(key, below, Role.PLAIN)
                continue
            made = self.value(value, below, _role(key, value, role))
            if made is not _GONE:
                yield key, made

    def _may_stay(self, text: str, role: Role) -> bool:
        if role is Role.TEXT:
            return True
        if leads_out(text):
            return False
        if role is Role.CODE:
            return "--" not in text and not re.search(r"[/\\]", text)
        if role is Role.SHARD:
            safe = self._file.endswith(".safetensors.index.json")
            return self._has(self._folder / text) and (not safe or text.endswith(".safetensors"))
        if role is Role.FILE:
            return self._has(PurePosixPath(text)) or self._has(self._folder / text)
        return True

    def _has(self, path: PurePosixPath) -> bool:
        return str(path) in self._names

    def _remove(self, value: str, keys: tuple[str, ...], role: Role) -> Any:
        shown = keys[:1] if role is Role.SHARD else keys  # not every tensor's name
        self._removed.append(Removed(self._file, ".".join(shown), value, role))
        return _GONE


def _role(key: str, value: object, above: Role) -> Role:
    """What a member's strings are; below text, code and shards everything is the same."""
    if above in (Role.TEXT, Role.CODE, Role.SHARD):
        return above
    if key in ("vocab", "merges") and not isinstance(value, str):
        return Role.TEXT  # the tokens themselves
    if key == "chat_template" and isinstance(value, str):
        return Role.TEXT  # otherwise templates by names, and those become names of files
    for role, pattern in _ROLES.items():
        if pattern.fullmatch(key):
            return role
    return Role.PLAIN


_ROLES = {Role.FILE: _FILES, Role.CODE: _CODE, Role.SHARD: _SHARDS, Role.TEXT: _TEXT}


def _dumped(cleaned: object, whole: object, text: str) -> bytes:
    """JSON in the style in which the whole gives the original text, else indented by two."""
    indented = re.match(r"[\[{](\r?\n)([ \t]*)", text)
    newline, indent = indented.groups() if indented else ("\n", None)
    end = text[len(text.rstrip()) :]

    def dump(fields: object, **style: Any) -> str:
        return json.dumps(fields, **style).replace("\n", newline) + end

    for separators in ((",", ": "), (", ", ": "), (",", ":")):
        for ascii_only in (False, True):
            style = {"indent": indent, "separators": separators, "ensure_ascii": ascii_only}
            if dump(whole, **style) == text:
                return dump(cleaned, **style).encode()
    return dump(cleaned, indent=2, ensure_ascii=not _is_unicode(cleaned)).encode()


def _is_unicode(fields: object) -> bool:
    """Whether UTF-8 can hold every string; half of a surrogate pair can only be escaped."""
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
