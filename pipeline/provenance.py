"""How an artifact's bytes were made, stage by stage: enough to make them again."""

from typing import Any

from pydantic import JsonValue

from pipeline.manifest import SourceLock
from pipeline.record import Line, Record


class Exported(Record):
    """How an export was made.

    Args:
        dtype: the element type that the original was loaded with.
        checkpoint: bytes of the source's tensors by element type.
        toolchain: versions of the exporter's distributions.
        rt_info: by network, what tools wrote into it and the IR does not carry.
        notes: where params.yaml contradicts the model's repository, and what else is to be known.
        removed: what parsers did not get to see of the source's configurations.
        walls: what held the process in.
    """

    dtype: Line
    checkpoint: dict[str, int]
    toolchain: dict[str, str]
    rt_info: dict[str, Any]
    notes: tuple[Line, ...]
    removed: tuple[Line, ...]
    walls: tuple[str, ...]


class Quantized(Record):
    """How an artifact's bytes were made.

    Args:
        precision: the recipe's.
        isa: the instruction set that calibration was held to.
        options: of the recipe, as they were used.
        toolchain: versions of the precision's distributions.
        weights: by network, bytes of the weights by element type, and the precision's figures.
        rt_info: by network, what tools wrote into it and the IR does not carry.
        walls: what held the process in.
    """

    precision: str
    isa: str
    options: dict[str, JsonValue]
    toolchain: dict[str, str]
    weights: dict[str, Any]
    rt_info: dict[str, Any]
    walls: tuple[str, ...]


class Provenance(Record):
    """How an artifact's bytes were made: enough to make them again.

    Args:
        source: what params.yaml named, its revision, license and files.
        recipe: precision, options as they were used, instruction set, bytes of the weights.
        toolchain: versions by stage.
        stamps: what the tools wrote into rt_info and the IR does not carry.
        notes: where params.yaml contradicts the model's repository, and what else is to be known.
        removed: what parsers did not get to see of the source's configurations.
        walls: what held the processes in that made it.
    """

    source: SourceLock
    recipe: dict[str, Any]
    toolchain: dict[str, Any]
    stamps: dict[str, Any]
    notes: tuple[str, ...]
    removed: tuple[str, ...]
    walls: dict[str, tuple[str, ...]]
