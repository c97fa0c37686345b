"""What will be refused or fail once it runs, as far as the files of this machine tell.

`ovpipe check` refuses over it, and `ovpipe build` says it and goes on: stages do not ask, because a
model whose files are not here must not cost the others theirs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import kinds, sizes
from pipeline.errors import DataError, PipelineError
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.spec import DATA, Model, Params, Variant

_CONFIG = "config.json"
_MAX_CONFIG_BYTES = 1 << 20


def problems(params: Params, layout: Layout) -> list[str]:
    """One line per problem, with the key, the value and what would be right."""
    lines: list[str] = []
    counts: dict[str, int | None] = {}
    for model in params.models.values():
        for field in DATA:
            try:
                counts[f"{model.name}.{field}"] = _count(model, field)
            except PipelineError as e:
                lines.append(f"models.{model.name}.{field}: {e}")
        try:
            lines += _too_long(params, model, _config(model, layout))
        except (PipelineError, OSError) as e:
            lines.append(f"models.{model.name}.source: {e}")
    for variant in params.variants.values():
        lines += _too_few(params, variant, counts.get(f"{variant.model}.calibration"))
    return lines


def _count(model: Model, field: str) -> int | None:
    """How many items a data set holds; None if there is none, or if that is not known here.

    What lies elsewhere, is called otherwise or is Parquet is read by a child process, when it runs.

    Raises:
        DataError: it is not there, or not what the task reads.
    """
    data = model.data.get(field)
    if data is None or data.kind:
        return None
    path = Path(data.place)
    if not path.exists():
        raise DataError(f"{str(path)!r}: no such file or folder")
    if data.columns or path.suffix == ".parquet" or any(path.glob("*.parquet")):
        return None
    return len(kinds.load("task", model.task).items(path)[: data.first])


def _too_long(params: Params, model: Model, config: dict[str, Any]) -> Iterator[str]:
    """What is longer than the source's config.json allows, or than texts are cut to."""
    longest = getattr(kinds.load("task", model.task), "longest", None)
    most = longest(config) if longest else None
    cut = model.options.get("max_length")
    if isinstance(cut, int) and most is not None and cut > most:
        where = f"models.{model.name}.options.max_length"
        yield f"{where}: {cut}: model {model.name!r} has {most} positions"
    where = f"models.{model.name}.sizes" if model.sizes else "benchmark.sizes"
    for index, size in enumerate(sizes.of(params, model)):
        told, length = f"{where}.{index}.length", size.get("length", 0)
        if most is not None and length > most:
            yield f"{told}: {length}: model {model.name!r} has {most} positions"
        elif isinstance(cut, int) and length > cut:
            yield f"{told}: {length}: model {model.name!r} is cut at {cut} tokens"


def _too_few(params: Params, variant: Variant, count: int | None) -> Iterator[str]:
    """What of the calibration data is wanted and not there."""
    precision = kinds.load("precision", variant.precision)
    options = precision.Options.from_dict(params.options(variant)).to_dict()
    wanted = options.get("subset_size") or 0  # not given: as many as there are
    if precision.NEEDS_CALIBRATION and count is not None and wanted > count:
        file = params.model(variant.model).data["calibration"].place
        yield f"variants.{variant.name}: subset_size {wanted}: {file} holds only {count}"


def _config(model: Model, layout: Layout) -> dict[str, Any]:
    """The source's config.json where it lies on this machine; empty where it does not.

    Raises:
        SourceError: the source is to be on this machine, and is not.
    """
    found: list[Path] = []

    def noted(path: Path) -> str:
        found.append(path)
        return ""

    # A kind whose files lie here asks for the digest of those that are wanted, and only then.
    source = kinds.load("source", model.source_kind)
    source.fingerprint(model.source_location, lambda name: name == _CONFIG, noted)
    if not found and _is_fetched(model, layout):
        found.append(layout.source(model.name) / _CONFIG)
    return _read(found[0]) if found else {}


def _is_fetched(model: Model, layout: Layout) -> bool:
    lock = layout.source_lock(model.name)
    try:
        return lock.is_file() and SourceLock.read(lock).source == model.source
    except PipelineError:
        return False  # what is no lock is a refusal, or of another version


def _read(path: Path) -> dict[str, Any]:
    """A small JSON object of a stranger's; empty if it is none, which export says better."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        content = file.read(_MAX_CONFIG_BYTES)
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
