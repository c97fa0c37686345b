"""What a reference folder says beside its inputs and outputs, for those who measure against it."""

from typing import Any

from pipeline.figure import ValidatedOn
from pipeline.record import Line, Record

FILE = "reference.json"


class Facts(Record):
    """What accuracy rests on beside the outputs.

    Args:
        task: the model's.
        options: the task's, as the model's repository completed them.
        original: what the original ran in.
        items: input and label of each item, as of `tasks.Item`.
        validated_on: as of `evidence.Accuracy`.
    """

    task: str
    options: dict[str, Any]
    original: Line
    items: tuple[tuple[Any, Any], ...]
    validated_on: ValidatedOn
