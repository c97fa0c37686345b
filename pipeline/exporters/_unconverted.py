"""What OpenVINO says of a file that it does not convert, in one line: each operation, and why."""

import re
from collections.abc import Iterator

from pipeline.host import reasons

_BLOCK = re.compile(r"^-- (?P<operation>\S+) with a message:$", re.MULTILINE)
_SUMMARY = "\nSummary:\n"  # OpenVINO puts its log before it
_NODE = re.compile(r"<Node\(\w+\): (?P<name>[^>]+)>")
_NOISE = re.compile(
    r"Check '|While validating|FrontEnd API failed|Exception from|Model wasn't fully"
)


def reason(message: str) -> str:
    """The line; operations that have no reason of their own are named as OpenVINO sums them up."""
    log, _, summary = message.partition(_SUMMARY)
    told = list(_blocks(log))
    named = " ".join(told)
    for line in (line.strip(" -") for line in summary.splitlines()):
        operations = line.partition(": ")[2].split(", ")
        if line and not all(operation in named for operation in operations):
            told.append(line)
    return "; ".join(told) or reasons.last_line(message)


def _blocks(log: str) -> Iterator[str]:
    """Operation, node and reason of each that failed."""
    marks = list(_BLOCK.finditer(log))
    ends = [mark.start() for mark in marks[1:]] + [len(log)]
    for mark, end in zip(marks, ends, strict=False):  # no mark, no block
        text = log[mark.end() : end]
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        plain = [line for line in lines if not _NOISE.match(line)]
        node = _NODE.search(text)
        where = f" ({node['name']})" if node else ""
        yield f"{mark['operation']}{where}: {plain[-1] if plain else ' '.join(lines)}"
