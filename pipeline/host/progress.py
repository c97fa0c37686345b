"""Progress on the terminal: one line for whatever takes longer than two seconds, and notes.

Bars nest: when the outermost has been there for two seconds, the innermost is shown. In a child
process they are told to the parent (`tell`), which shows them: a child has no terminal.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

T = TypeVar("T")
Told = tuple[str, int, int | None, str]  # label, how much is done, of how much, unit
NOTHING: Told = ("", 0, None, "it")

_TURN_S = 0.2
_MAX_LABEL = 60
_MOST = 1 << 63
_ERASE = "\r\x1b[K"


class Bar:
    """How far something is; use it as a context manager.

    Args:
        total: how much there is to do, in `unit`, if that is known.
        label: what is being done.
        unit: `it`, or `B` for bytes (shown with a rate).
    """

    def __init__(self, total: int | None, label: str, unit: str = "it") -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, 0
        self.born = self.since = time.monotonic()

    def update(self, more: int = 1) -> None:
        """So much more is done."""
        self.done += more
        _line.changed(self)

    def show(self, label: str, done: int, total: int | None, unit: str) -> None:
        """Become what a child process tells, cut and cleaned; without a label it is not shown."""
        told = "".join(c for c in label if c.isprintable())[:_MAX_LABEL]
        if told != self.label:
            self.since = time.monotonic()
        self.label, self.done = told, min(max(done, 0), _MOST)
        self.total = min(total, _MOST) if total and total > 0 else None
        self.unit = "B" if unit == "B" else "it"

    def text(self, columns: int) -> str:
        """The line as it stands now."""
        from tqdm import tqdm

        elapsed = time.monotonic() - self.since
        if not self.done and self.total is None:
            return f"{self.label}: {tqdm.format_interval(elapsed)}"[:columns]
        return tqdm.format_meter(
            self.done,
            self.total,  # type: ignore[arg-type]  # None where it is not known
            elapsed,
            ncols=columns,
            prefix=self.label,
            unit=self.unit,
            unit_scale=self.unit == "B",
        )

    def __enter__(self) -> Self:
        _line.push(self)
        return self

    def __exit__(self, *_: object) -> None:
        _line.pop(self)


def bar(total: int | None, label: str, unit: str = "it") -> Bar:
    """A bar that appears after two seconds; arguments as of `Bar`."""
    return Bar(total, label, unit)


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items, with a bar that counts them."""
    with bar(total, label) as progress:
        for item in items:
            yield item
            progress.update()


def note(text: str) -> None:
    """Say one line on standard error, in the place of a bar, which comes back below it."""
    with _line.aside():
        print(text, file=sys.stderr)


def tell(teller: Callable[[Told], None]) -> None:
    """From here on, in a child process, tell somebody instead of drawing."""
    _line.teller = teller


def delay_s() -> float:
    """How long something takes before it is shown: OVPIPE_PROGRESS_AFTER, in seconds, or two."""
    try:
        return float(os.environ.get("OVPIPE_PROGRESS_AFTER", "2"))
    except ValueError:
        return 2.0


class _Line:
    """The one line of the terminal, drawn by a thread while there are bars."""

    def __init__(self) -> None:
        self.teller: Callable[[Told], None] | None = None
        self._bars: list[Bar] = []
        self._lock = threading.RLock()
        self._told = 0.0
        self._told_of: Bar | None = None
        self._drawn: Bar | None = None
        self._idle = threading.Event()

    def push(self, bar: Bar) -> None:
        with self._lock:
            self._bars.append(bar)
            if len(self._bars) == 1 and not self.teller and sys.stderr.isatty():
                self._idle = threading.Event()
                threading.Thread(target=self._draw_on, args=(self._idle,), daemon=True).start()
        self.changed(bar)

    def pop(self, bar: Bar) -> None:
        with self._lock:
            if bar in self._bars:
                self._bars.remove(bar)
            if not self._bars:
                self._idle.set()
            if self._drawn is bar:
                self._erase()
        if self.teller and self._told_of is bar:
            self._tell(self._bars[-1] if self._bars else None)

    def changed(self, bar: Bar) -> None:
        """In a child: tell it, now and then."""
        if self.teller and time.monotonic() - self._told > _TURN_S:
            self._tell(bar)

    def _tell(self, bar: Bar | None) -> None:
        self._told, self._told_of = time.monotonic(), bar
        if self.teller:
            self.teller((bar.label, bar.done, bar.total, bar.unit) if bar else NOTHING)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A while in which the line is not there."""
        with self._lock:
            self._erase()
            yield

    def _draw_on(self, idle: threading.Event) -> None:
        turn_s = min(_TURN_S, delay_s())
        while not idle.wait(turn_s):
            with self._lock:
                if not idle.is_set():
                    self._draw()
            turn_s = _TURN_S

    def _draw(self) -> None:
        shown = [bar for bar in self._bars if bar.label]
        if shown and time.monotonic() - self._bars[0].born >= delay_s():
            self._drawn = shown[-1]
            sys.stderr.write(_ERASE + self._drawn.text(max(_columns() - 1, 20)))
            sys.stderr.flush()

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
            self._drawn = None


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


_line = _Line()
