"""`openvino_artifact.json`: what a folder says of itself, so that its CID tells how to run it.

It holds nothing that was measured, no version and no time: only what a consumer must know and what
changes outputs. docs/artifact-format.md has the rule by which it may grow.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.preprocess import Preprocess
from pipeline.record import Record

FILE = "openvino_artifact.json"


class Description(Record):
    """What a folder holds.

    Args:
        format: version of the artifact format: 2 where there is pre-processing, which who knows
            only 1 would do once more.
        task: what the networks are for, as in params.yaml.
        networks: file names of the networks without ending; tokenizers are not among them.
        options: what changes outputs beside the networks; which there are depends on the task.
        preprocess: what networks do to raw pictures themselves, by the name of the input; left out
            where there is none.
    """

    format: Literal[1, 2]
    task: str
    networks: tuple[str, ...]
    options: Mapping[str, Any]
    preprocess: Mapping[str, Preprocess] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types, without what there is none of."""
        return {k: v for k, v in super().to_dict().items() if k != "preprocess" or v}


def write(folder: Path, description: Description) -> None:
    """Write the description of a folder into it."""
    (folder / FILE).write_text(description.json(), encoding="utf-8")


def read(folder: Path) -> Description:
    """The description that a folder holds.

    Raises:
        EvidenceError: it holds none, or one of another format.
    """
    return Description.read(folder / FILE)
