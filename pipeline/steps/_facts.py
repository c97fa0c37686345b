"""What a reference folder says beside its inputs and outputs, for those who measure against it."""

from typing import Any

from pipeline.record import Record

FILE = "reference.json"


class Facts(Record):
    """What accuracy rests on beside the outputs.

    Args:
        task: the model's.
        options: the task's, as the model's repository completed them.
        labels: what the task's score is held against.
    """

    task: str
    options: dict[str, Any]
    labels: list[Any]
