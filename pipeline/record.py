"""A record: a frozen value that is read strictly and written the same way every time.

`Record.from_dict(r.to_dict()) == r`, and a key that is unknown, missing or of the wrong type is
named in one line.
"""

import json
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from pipeline.errors import EvidenceError, PipelineError
from pipeline.layout import elsewhere

# A line fit for a terminal: no control characters.
Line = Annotated[str, Field(pattern=r"^\P{C}*$", max_length=2000)]


def place(path: str) -> str:
    """A path that means the same for everybody who has the project.

    Raises:
        ValueError: saying what it must be.
    """
    if not path or "\0" in path:
        raise ValueError("want the path of a file or a folder")
    if path.startswith("~"):
        raise ValueError("want a path without ~, relative to the project's root or absolute")
    return path


Place = Annotated[str, AfterValidator(place)]


class Record(BaseModel):
    """A frozen value with strict types and no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, protected_namespaces=(), allow_inf_nan=False
    )

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_dict(
        cls, fields: object, where: str = "", error: type[PipelineError] = EvidenceError
    ) -> Self:
        """The record that JSON types describe.

        Args:
            fields: what JSON or YAML gave.
            where: the dotted key under which it was found, for the message.
            error: what to raise.

        Raises:
            PipelineError: of class `error`, one line per problem with the key, the value and what
                would be right.
        """
        try:
            return cls.model_validate_json(json.dumps(fields))
        except TypeError as e:
            raise error(f"{where or cls.__name__}: {e}") from e
        except ValidationError as e:
            lines = [_line(problem, where, cls) for problem in e.errors(include_url=False)]
            raise error("\n".join(lines)) from e

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a JSON file.

        Raises:
            EvidenceError: the file is not there, is no JSON or holds another kind of record.
        """
        try:
            fields = json.loads(path.read_bytes())
        except FileNotFoundError as e:
            lacking = f"{path}: not there; run `dvc repro` first"
            raise EvidenceError(elsewhere(path) or lacking) from e
        except ValueError as e:
            raise EvidenceError(f"{path}: not JSON: {e}") from e
        return cls.from_dict(fields, str(path))

    def json(self) -> str:  # type: ignore[override]
        """The record as indented JSON with sorted keys and a final newline."""
        return to_json(self.to_dict())


def read_json(path: Path, kind: type[Any], error: type[PipelineError]) -> Any:
    """The JSON object (`dict`) or list in a file that somebody else wrote; empty if there is none.

    Raises:
        PipelineError: of class `error`: it is something else.
    """
    try:
        fields = json.loads(path.read_bytes()) if path.exists() else kind()
    except ValueError as e:
        raise error(f"{path.name}: not JSON: {e}") from e
    if not isinstance(fields, kind):
        raise error(f"{path.name}: want a JSON {'list' if kind is list else 'object'}")
    return fields


def to_json(fields: object) -> str:
    """JSON as this project writes it: sorted keys, two spaces, a final newline."""
    return json.dumps(fields, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _line(problem: ErrorDetails, where: str, cls: type[BaseModel]) -> str:
    path = [str(part) for part in problem["loc"]]
    key = ".".join(filter(None, [where, *path]))  # what stands for every input has no name
    if problem["type"] == "extra_forbidden":
        parent = key.rpartition(".")[0] or cls.__name__
        return f"{parent}: unknown key {path[-1]!r}: have {_keys_at(cls, path[:-1])}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {problem['input']!r}: {message[:1].lower()}{message[1:]}"


def _keys_at(cls: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of the record that lies at a path inside another."""
    kind: Any = cls
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = kind.model_fields.items()
            kind = next(f.annotation for name, f in fields if part in (name, f.alias))
        else:  # dict[str, Record] or tuple[Record, ...]
            kind = next(a for a in reversed(get_args(kind)) if a is not Ellipsis)
        if isinstance(kind, UnionType):  # a record that may be left out
            kind = next(a for a in get_args(kind) if a is not type(None))
    return sorted(f.alias or name for name, f in kind.model_fields.items())
