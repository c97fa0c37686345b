"""Refusals: what the same bytes, parameters and toolchain would refuse again, kept as an output.

A stage that refuses writes `refused.json` into the folder that it would have filled, or the same
record in place of its file; what follows in the row finds it there and hands it down.
"""

from pathlib import Path

from pydantic import JsonValue

from pipeline.errors import EvidenceError
from pipeline.record import Record, read_json

REFUSED = "refused.json"


class Refusal(Record):
    """What was refused, by which stage, and why.

    Args:
        refused: the whole reason, in one line.
        stage: the stage that refused.
        cell: the model, variant, or variant and device.
        facts: what else was found; of `package`, the artifact's record.
    """

    refused: str
    stage: str
    cell: str
    facts: dict[str, JsonValue]

    def __str__(self) -> str:
        return f"{self.stage}@{self.cell}: {self.refused}"


def read(output: Path) -> Refusal | None:
    """The refusal that lies in an output, a folder or a file; None if there is none.

    Raises:
        EvidenceError: the file is no JSON object, or no refusal though it says so.
    """
    path = output / REFUSED if output.is_dir() else output
    fields = read_json(path, dict, EvidenceError) if path.suffix == ".json" else {}
    return Refusal.from_dict(fields, str(path)) if "refused" in fields else None
