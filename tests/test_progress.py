"""What a person at a terminal sees of work that takes long."""

import os
import re
import sys
import time
from pathlib import Path

import pytest
from conftest import at_a_terminal
from test_structure import STAGES

from pipeline.host import progress
from pipeline.host.progress import Bar

ERASE = "\r\x1b[K"
PROGRAM = """\
import sys, time
from pipeline.host import progress
with progress.bar({total}, 'work') as bar:
    for _ in range(4):
        time.sleep(0.2)
        bar.update()
        {more}
print('done', file=sys.stderr)
"""


def seen(folder: Path, after: str, *, total: int | None = 4, more: str = "pass") -> str:
    """What is written to a terminal by 0.8 s of work in four steps."""
    program = PROGRAM.format(total=total, more=more)
    _, text = at_a_terminal([sys.executable, "-c", program], folder, OVPIPE_PROGRESS_AFTER=after)
    return text


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_shows_what_it_is_doing(stage: str, watched: tuple[Path, str]) -> None:
    _, text = watched

    shown = [part.partition("\r\n")[0] for part in text.split(ERASE)]

    assert any(re.match(rf"{stage}\b.*\d\d:\d\d", line) for line in shown), shown[-50:]


def test_the_steps_of_a_child_process_are_shown(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\nfrom pipeline.host.sandbox import run\n"
        "run('probes:count_to', 4, returns=type(None), scratch=Path(), log=Path('child.log'))"
    )
    path = os.pathsep.join(filter(None, sys.path))

    code, text = at_a_terminal(
        [sys.executable, "-c", program], tmp_path, OVPIPE_PROGRESS_AFTER="0", PYTHONPATH=path
    )

    assert code == 0, text
    assert re.search(r"counting: +\d+%\|.*\| [1-4]/4 ", text)


def test_nothing_but_progress_and_words_reaches_the_terminal(watched: tuple[Path, str]) -> None:
    """The libraries draw bars of their own, and warn: that goes to the log."""
    _, text = watched

    assert "Loading weights" not in text
    assert "Warning" not in text


def test_what_ends_before_two_seconds_is_not_shown(tmp_path: Path) -> None:
    assert seen(tmp_path, "2") == "done\r\n"


def test_a_bar_counts_and_goes_when_the_work_is_done(tmp_path: Path) -> None:
    text = seen(tmp_path, "0.3")

    assert re.search(r"work: +\d+%\|.*\| [1-4]/4 ", text)
    assert text.endswith(f"{ERASE}done\r\n")


def test_work_without_an_end_in_sight_shows_the_time(tmp_path: Path) -> None:
    assert "work: 00:00" in seen(tmp_path, "0", total=None, more="bar.done = 0")


def test_a_note_stands_on_a_line_of_its_own_and_the_bar_comes_back(tmp_path: Path) -> None:
    text = seen(tmp_path, "0", more="progress.note('noted')")

    assert f"{ERASE}noted\r\n{ERASE}work" in text


def test_nothing_is_drawn_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVPIPE_PROGRESS_AFTER", "0")

    with progress.bar(None, "work"):
        time.sleep(0.3)

    assert capsys.readouterr().err == ""


def test_what_a_child_tells_is_cut_and_cleaned() -> None:
    bar = Bar(None, "")

    bar.show("step\x1b[2J" + "x" * 500, 10**5000, -1, "a\r\nb")

    assert bar.label.startswith("step[2Jxxx")
    assert len(bar.text(80)) <= 80
    assert bar.text(80).isprintable()


def test_while_a_child_tells_nothing_the_work_around_it_is_shown(tmp_path: Path) -> None:
    text = seen(tmp_path, "0", more="progress.bar(None, '').__enter__()")

    assert "work:" in text.rpartition(ERASE)[0].rpartition(ERASE)[2]
