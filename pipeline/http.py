"""HTTP to servers that may be slow, lie or never end: every exchange has a deadline and a size.

The deadline holds for the whole exchange, connecting, sending, headers and body together, because
it is kept where the bytes are read (httpcore's network backend). Redirects are followed a few
times, never from https to http, and carry no credentials to another origin.
"""

import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from pipeline.errors import TransferError

MAX_REDIRECTS = 5
MAX_SILENCE_S = 30.0


@dataclass(frozen=True)
class Deadline:
    """A moment by which something must be over."""

    seconds: float
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", time.monotonic() + self.seconds)

    def left(self) -> float:
        """Seconds that are left, at most `MAX_SILENCE_S` for one operation.

        Raises:
            TransferError: none is left.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TransferError(f"not done within {self.seconds:g} s")
        return min(left, MAX_SILENCE_S)


@dataclass(frozen=True)
class Answer:
    """The head of an answer, and its body piece by piece."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


@contextmanager
def exchange(
    method: str,
    url: str,
    *,
    deadline: Deadline,
    max_bytes: int,
    headers: Mapping[str, str] | None = None,
    content: bytes | Iterator[bytes] = b"",
) -> Iterator[Answer]:
    """One request and its answer, whatever the status.

    Args:
        method: an HTTP method; only GET and HEAD follow redirects.
        url: http or https, without user name or password.
        deadline: when all of it must be over.
        max_bytes: how long the body may become.
        headers: of the request; not logged, not in any message.
        content: body of the request; pieces are sent as they come, in chunks.

    Raises:
        TransferError: the server cannot be reached, is too slow, sends too much or redirects in
            circles; the message names the URL without its query.
    """
    with ExitStack() as stack:
        with _translated(shown(url), deadline):
            answer = _open(stack, method, url, dict(headers or {}), content, deadline, max_bytes)
        yield answer


def _open(
    stack: ExitStack,
    method: str,
    url: str,
    headers: dict[str, str],
    content: bytes | Iterator[bytes],
    deadline: Deadline,
    max_bytes: int,
) -> Answer:
    """The first answer that is no redirect."""
    for _ in range(MAX_REDIRECTS + 1):
        pool = stack.enter_context(_pool(url, deadline))
        response = stack.enter_context(
            pool.stream(method, url, headers=_lines(url, headers), content=content)
        )
        target = _redirect(method, url, response)
        if target is None:
            pieces = _pieces(response, max_bytes, shown(url), deadline)
            return Answer(response.status, _headers(response), pieces)
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        url = target
    raise TransferError(f"more than {MAX_REDIRECTS} redirects")


@contextmanager
def _translated(where: str, deadline: Deadline) -> Iterator[None]:
    """What goes wrong on the way, as one line that says where."""
    try:
        yield
    except TransferError as e:
        raise TransferError(f"{where}: {e}") from e
    except httpcore.TimeoutException as e:
        raise TransferError(f"{where}: no answer within {deadline.seconds:g} s") from e
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError) as e:
        raise TransferError(f"{where}: {type(e).__name__}: {str(e)[:200] or 'cut off'}") from e


def shown(url: str) -> str:
    """A URL as a message may show it: without query, user name and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_url(url: str) -> str | None:
    """What is wrong with a URL from params.yaml or the command line, or None."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{url!r}: want http://HOST[:PORT] or https://HOST"
    if "@" in parts.netloc:
        return f"{shown(url)!r}: want no user name or password in a URL"
    return None


class _Stream(httpcore.NetworkStream):
    """A network stream that keeps a deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Connections that keep a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left()
        stream = super().connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._deadline)


def _pool(url: str, deadline: Deadline) -> httpcore.ConnectionPool:
    """Connections for one exchange, through the proxy that the environment names."""
    parts = urlsplit(url)
    backend, context = _Backend(deadline), ssl.create_default_context()
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return httpcore.HTTPProxy(proxy, ssl_context=context, network_backend=backend)
    return httpcore.ConnectionPool(ssl_context=context, network_backend=backend)


def _lines(url: str, headers: Mapping[str, str]) -> list[tuple[bytes | str, bytes | str]]:
    return [("Host", urlsplit(url).netloc), ("User-Agent", "ovpipe"), *headers.items()]


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}


def _redirect(method: str, url: str, response: httpcore.Response) -> str | None:
    if response.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
        return None
    target = urljoin(url, _headers(response).get("location", ""))
    wrong = check_url(target)
    if wrong or (url.startswith("https:") and not target.startswith("https:")):
        raise TransferError(f"redirects to {wrong or shown(target)!r}: want https")
    return target


def _pieces(
    response: httpcore.Response, max_bytes: int, where: str, deadline: Deadline
) -> Iterator[bytes]:
    total, stream = 0, response.iter_stream()
    while True:
        with _translated(
            where, deadline
        ):  # not around the yield: what the caller raises is its own
            piece = next(stream, b"")
            total += len(piece)
            if total > max_bytes:
                raise TransferError(f"sends more than {max_bytes} bytes")
        if not piece:
            return
        yield piece
