"""One request and its answer, within a deadline and a size."""

import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Self
from urllib.parse import urlsplit

import httpcore

from pipeline.errors import TransferError
from pipeline.host import reasons
from pipeline.http.answer import Answer
from pipeline.http.deadline import Deadline
from pipeline.http.network import Backend
from pipeline.http.urls import is_loopback, redirected, shown

MAX_REDIRECTS = 5


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
    """One request and its answer, over connections of its own: `Connections.exchange`."""
    with (
        Connections(deadline) as connections,
        connections.exchange(
            method, url, max_bytes=max_bytes, headers=headers, content=content
        ) as answer,
    ):
        yield answer


class Connections:
    """Connections that stay open from one exchange to the next, for as long as the `with` lasts.

    Attributes:
        deadline: when what is under way must be over; for a next step it may be set anew.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._pools: dict[tuple[str, str], httpcore.ConnectionPool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End them all; a next exchange would open new ones."""
        while self._pools:
            self._pools.popitem()[1].close()

    @contextmanager
    def exchange(
        self,
        method: str,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterator[bytes] = b"",
    ) -> Iterator[Answer]:
        """One request and its answer, whatever the status.

        Args:
            method: an HTTP method; only GET and HEAD follow redirects.
            url: http or https, without user name or password.
            max_bytes: how long the body may become.
            headers: of the request; not logged, not in any message.
            content: body of the request; pieces are sent as they come, in chunks.

        Raises:
            TransferError: the server cannot be reached, is too slow, sends too much or redirects
                in circles; the message names the URL without its query.
        """
        with ExitStack() as stack:
            with self._translated(shown(url)):
                response = self._follow(stack, method, url, dict(headers or {}), content)
            pieces = self._pieces(response, max_bytes, shown(url))
            yield Answer(response.status, _headers(response), pieces)

    def _follow(
        self,
        stack: ExitStack,
        method: str,
        url: str,
        headers: dict[str, str],
        content: bytes | Iterator[bytes],
    ) -> httpcore.Response:
        """The first answer that is no redirect."""
        for _ in range(MAX_REDIRECTS + 1):
            response = stack.enter_context(
                self._pool(url).stream(method, url, headers=_lines(url, headers), content=content)
            )
            target = _target(method, url, response)
            if target is None:
                return response
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = target
        raise TransferError(f"more than {MAX_REDIRECTS} redirects")

    def _pool(self, url: str) -> httpcore.ConnectionPool:
        """Connections to an origin, through the proxy that the environment names."""
        parts = urlsplit(url)
        if parts[:2] not in self._pools:
            backend, context = Backend(self), ssl.create_default_context()
            proxy = urllib.request.getproxies().get(parts.scheme)
            host = parts.hostname or ""
            if proxy and not is_loopback(host) and not urllib.request.proxy_bypass(host):
                pool: httpcore.ConnectionPool = httpcore.HTTPProxy(
                    proxy, ssl_context=context, network_backend=backend
                )
            else:
                pool = httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
            self._pools[parts[:2]] = pool
        return self._pools[parts[:2]]

    def _pieces(self, response: httpcore.Response, max_bytes: int, where: str) -> Iterator[bytes]:
        total, stream = 0, response.iter_stream()
        while True:
            with self._translated(where):  # what the caller raises at the yield is its own
                piece = next(stream, b"")
                total += len(piece)
                if total > max_bytes:
                    raise TransferError(f"sends more than {max_bytes} bytes")
            if not piece:
                return
            yield piece

    @contextmanager
    def _translated(self, where: str) -> Iterator[None]:
        """What goes wrong on the way, as one line that says where."""
        try:
            yield
        except TransferError as e:
            raise TransferError(f"{where}: {e}") from e
        except httpcore.TimeoutException as e:
            waited_s = min(self.deadline.seconds, self.deadline.silence_s)
            raise TransferError(f"{where}: no answer within {waited_s:.3g} s") from e
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError) as e:
            said = reasons.shortened(str(e) or "the connection broke off", 200)
            raise TransferError(f"{where}: {said} ({type(e).__name__})") from e


def _lines(url: str, headers: Mapping[str, str]) -> list[tuple[bytes | str, bytes | str]]:
    return [("Host", urlsplit(url).netloc), ("User-Agent", "ovpipe"), *headers.items()]


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}


def _target(method: str, url: str, response: httpcore.Response) -> str | None:
    """Where a redirect leads; None if this is none, or not to be followed."""
    if response.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
        return None
    return redirected(url, _headers(response).get("location", ""))
