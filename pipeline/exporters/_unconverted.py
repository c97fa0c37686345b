"""What OpenVINO says of a file that it does not convert, in one line: each operation, and why."""

import re
from collections.abc import Iterator

from pipeline.host import reasons

_BLOCK = re.compile(r"^-- (?P<operation>\S+) with a message:$", re.MULTILINE)
_SUMMARY = "\nSummary:\n"  # OpenVINO puts its log before it
_NODE = re.compile(r"<Node\(\w+\): (?P<name>[^>]+)>")
_ADVICE = "https://"  # to whoever calls OpenVINO
_VALIDATED = re.compile(
    r"While validating node '(?:\w+::)?(?P<kind>\w+) .*friendly_name '(?P<name>[^']*)'"
)
_NOISE = re.compile(
    r"Check '|While validating|FrontEnd API failed|Exception from|Model wasn't fully"
)


def reason(message: str) -> str:
    """The line; operations that have no reason of their own are named as OpenVINO sums them up."""
    log, _, summary = message.partition(_SUMMARY)
    told = list(_blocks(log))
    named = " ".join(told)
    lines = (line.strip(" -") for line in summary.splitlines() if _ADVICE not in line)
    for line in lines:
        operations = line.partition(": ")[2].split(", ")
        if line and not all(operation in named for operation in operations):
            told.append(line)
    return "; ".join(told) or f"{_at(message)}{reasons.last_line(message)}"


def _at(message: str) -> str:
    """The operation at which checks of a whole graph failed; its name where the source gave one."""
    found = _VALIDATED.search(message)
    if not found:
        return ""
    kind, name = found["kind"], found["name"]
    return f"{kind}: " if re.fullmatch(rf"{kind}_\d+", name) else f"{kind} ({name}): "


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
