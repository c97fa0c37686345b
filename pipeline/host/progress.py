"""Progress on the terminal: bars for whatever takes longer than two seconds, and notes."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Never, TypeVar

from tqdm import tqdm

T = TypeVar("T")
DELAY_S = 2.0


def bar(total: int | None, label: str, unit: str = "it") -> "tqdm[Never]":
    """A bar that appears after two seconds; from a child process it reaches the terminal too.

    Args:
        total: how much there is to do, in `unit`, if that is known.
        label: what is being done.
        unit: `it`, or `B` for bytes (shown with a rate).
    """
    terminal = os.fdopen(os.dup(int(os.environ.get("OVPIPE_TERMINAL_FD", "2"))), "w")
    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        unit_scale=unit == "B",
        delay=DELAY_S,
        leave=False,
        file=terminal,
        disable=not terminal.isatty(),
    )


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items, with a bar that counts them."""
    with bar(total, label) as progress:
        for item in items:
            yield item
            progress.update()


def note(line: str) -> None:
    """Say one line on standard error, in the place of a bar, which comes back below it."""
    erase = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{erase}{line}", file=sys.stderr)
