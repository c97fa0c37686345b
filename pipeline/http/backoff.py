"""Asking again: how long to wait, and requests that a busy server may refuse at first."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import TransferError
from pipeline.http import Connections, Deadline, shown

BUSY = (429, 503)
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0

Content = Callable[[], bytes | Iterator[bytes]]
"""The body of a request, from its start each time it is called."""


@dataclass(frozen=True)
class Reply:
    """An answer with the whole of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    connections: Connections,
    method: str,
    url: str,
    *,
    max_bytes: int,
    headers: Mapping[str, str] | None = None,
    content: Content = bytes,
) -> Reply:
    """What a server answers when it is not busy; arguments as of `Connections.exchange`.

    A server that says how long to wait is given that long, if the deadline leaves it.

    Raises:
        TransferError: it cannot be reached, or stays busy until the deadline.
    """
    pauses = waits()
    while True:
        with connections.exchange(
            method, url, max_bytes=max_bytes, headers=headers, content=content()
        ) as answer:
            reply = Reply(answer.status, answer.headers, answer.read())
        if reply.status not in BUSY:
            return reply
        if not slept(max(next(pauses), _retry_after_s(reply)), connections.deadline):
            raise TransferError(
                f"{shown(url)}: HTTP {reply.status}: busy, and the deadline of "
                f"{connections.deadline.seconds:g} s leaves no time to ask again"
            )


def waits() -> Iterator[float]:
    """Seconds to wait before each next try: twice as long each time, up to `LONGEST_WAIT_S`."""
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def slept(seconds: float, deadline: Deadline) -> bool:
    """Sleep, unless the deadline would be over by then; whether it did."""
    if time.monotonic() + seconds >= deadline.ends:
        return False
    time.sleep(seconds)
    return True


def _retry_after_s(reply: Reply) -> float:
    """Seconds of a Retry-After (RFC 9110, section 10.2.3); a date counts as none."""
    stated = reply.headers.get("retry-after", "")
    return float(stated) if stated.isascii() and stated.isdigit() else 0.0
