"""httpcore's network streams, which keep a deadline in every operation."""

import ssl
from typing import Any, Protocol

import httpcore

from pipeline.http.deadline import Deadline

_PIECE_BYTES = 64 << 10


class HasDeadline(Protocol):
    """What owns streams, and may set a new deadline while they are in use."""

    deadline: Deadline


class _Stream(httpcore.NetworkStream):
    """A network stream that keeps the deadline of its owner."""

    def __init__(self, stream: httpcore.NetworkStream, owner: HasDeadline) -> None:
        self._stream, self._owner = stream, owner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._owner.deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE_BYTES):  # a receiver that dawdles is noticed
            self._stream.write(buffer[start : start + _PIECE_BYTES], self._owner.deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._owner.deadline.left()
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._owner)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Backend(httpcore.SyncBackend):
    """Connections that keep the deadline of their owner."""

    def __init__(self, owner: HasDeadline) -> None:
        super().__init__()
        self._owner = owner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """A connection, made within what is left of the deadline."""
        left = self._owner.deadline.left()
        stream = super().connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._owner)
