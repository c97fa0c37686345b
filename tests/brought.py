"""docs/models.md: what comes out of each kind of model, held by the tests that bring it through.

`OVPIPE_UPDATE_DOCS=1 pytest ...` (with `-m ''` for all of them) writes the rows that differ.
"""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "models.md"
UPDATE = "OVPIPE_UPDATE_DOCS"
_HEADER = "| brought | came out |\n|---|---|\n"


def row(section: str, brought: str, came_out: str, *, measured: bool = False) -> None:
    """Hold the document to what a test saw.

    Args:
        section: the heading.
        brought: in words.
        came_out: the same.
        measured: whether `came_out` has figures that differ a little from machine to machine: then
            there must be such a row, and what it says is what was seen where it was written.
    """
    line = f"| {_cell(brought)} | {_cell(came_out)} |\n"
    text = DOCUMENT.read_text(encoding="utf-8")
    if os.environ.get(UPDATE):
        text = _with(text, section, brought, line)
        DOCUMENT.write_text(text, encoding="utf-8")
    shown = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    wanted = f"| {_cell(brought)} | " if measured else line
    assert wanted in shown, f"docs/models.md, {section}: want {line!r}; {UPDATE}=1 writes it"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _with(text: str, section: str, brought: str, line: str) -> str:
    """The document with this row, at the place of the one that it had for the same."""
    heading = f"## {section}\n"
    if heading not in text:
        text = f"{text.rstrip()}\n\n{heading}\n{_HEADER}"
    before, _, after = text.partition(heading)
    inside, end, rest = after.partition("\n## ")
    old = re.search(rf"^\| {re.escape(_cell(brought))} \| .*\n", inside, re.MULTILINE)
    inside = inside.replace(old[0], line) if old else inside.rstrip("\n") + "\n" + line
    return before + heading + inside + end + rest
