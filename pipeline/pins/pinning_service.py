"""`pinning-service`: a service that fetches the artifact over IPFS and keeps it.

It is sent no bytes, only the CID, and where they can be had (`origins`): an IPFS node must offer
them, for example one that is another target. Success is a status `pinned` that names our CID. A
request that the service has already is waited for, not made again.

The token comes from the environment or a file. It goes to the endpoint alone, over https or
loopback, and into no message and no receipt, even if the service repeats it.

Source: IPFS Pinning Service API 1.0.0 (https://ipfs.github.io/pinning-services-api-spec/).
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, model_validator

from pipeline.errors import PinError, SpecError, TransferError
from pipeline.http import Connections, Deadline, is_loopback
from pipeline.http.backoff import ask, slept, waits
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import Dag
from pipeline.pins import Statement
from pipeline.pins._answers import MAX_BYTES, Stated, names, quoted
from pipeline.pins._options import DeadlineS, Endpoint
from pipeline.record import Record

_TOKEN = re.compile("[!-~]+")
S = TypeVar("S", bound=Stated)


class Options(Record):
    """Which service, who asks, and how long it may take in all.

    Args:
        endpoint: what comes before /pins.
        token_env: the environment variable that holds the token.
        token_file: or the file, absolute or relative to the project's root.
        origins: multiaddrs of nodes that have the artifact.
        meta: what the service shall keep beside the pin.
        deadline_s: seconds until it must be pinned.
    """

    endpoint: Endpoint
    token_env: str | None = None
    token_file: str | None = None
    origins: tuple[str, ...] = Field(default=(), max_length=20)
    meta: dict[str, str] = Field(default={}, max_length=1000)
    deadline_s: DeadlineS = 600.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.token_env is None) == (self.token_file is None):
            raise SpecError("want either token_env or token_file")
        url = urlsplit(self.endpoint)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise SpecError(f"endpoint: {self.endpoint!r}: want https, because a token is sent")
        return self


class _Pin(Stated):
    cid: str


class _Status(Stated):
    requestid: str = Field(pattern="^[!-~]{1,255}$")
    status: Literal["queued", "pinning", "pinned", "failed"]
    created: str = Field(pattern="^[0-9TZtz:.+-]{1,40}$")
    pin: _Pin
    info: dict[str, Any] | None = None

    @property
    def details(self) -> str:
        """Why it is as it is, if the service says so."""
        return str((self.info or {}).get("status_details", ""))


class _Statuses(Stated):
    results: list[_Status]


class _Reason(Stated):
    reason: str = ""
    details: str = ""


class _Refusal(Stated):
    error: _Reason


def pin(name: str, dag: Dag, options: Options) -> Statement:
    """Ask the service to pin the DAG, unless it was asked before, and wait until it has.

    Raises:
        PinError: it refuses, fails, names another CID, or has not pinned by the deadline.
        TransferError: it cannot be reached, is too slow, or sends too much.
    """
    with Connections(Deadline(options.deadline_s)) as connections:
        service = _Service(options.endpoint, _token(options), connections)
        status = service.existing(dag.root) or service.add(name, dag.root, options)
        pauses = waits()
        while True:
            where = f"{options.endpoint}: request {status.requestid}"
            if not names(status.pin.cid, dag.root):
                raise PinError(f"{where} is for {service.quoted(status.pin.cid)}: want {dag.root}")
            if status.status == "failed":
                raise PinError(f"{where} failed: {service.quoted(status.details)}")
            if status.status == "pinned":
                return Statement(
                    location=options.endpoint, request_id=status.requestid, created=status.created
                )
            if not slept(next(pauses), connections.deadline):
                raise PinError(
                    f"{where} is still {status.status} after {options.deadline_s:g} s; "
                    "the same command waits for it again"
                )
            status = service.get(status.requestid)


@dataclass(frozen=True)
class _Service:
    endpoint: str
    token: str = field(repr=False)
    connections: Connections

    def existing(self, cid: Cid) -> _Status | None:
        """The request for a CID that the service has pinned, or else one under way."""
        query = {"cid": str(cid), "status": "pinned,pinning,queued"}
        listed = self._ask("GET", f"/pins?{urlencode(query)}", _Statuses).results
        ours = [s for s in listed if names(s.pin.cid, cid) and s.status != "failed"]
        return min(ours, key=lambda s: s.status != "pinned", default=None)

    def add(self, name: str, cid: Cid, options: Options) -> _Status:
        """A new request."""
        wanted = {"cid": str(cid), "name": name, "origins": options.origins, "meta": options.meta}
        return self._ask("POST", "/pins", _Status, json.dumps(wanted).encode())

    def get(self, request_id: str) -> _Status:
        """What became of a request."""
        return self._ask("GET", f"/pins/{quote(request_id, safe='')}", _Status)

    def quoted(self, said: str) -> str:
        """What the service said, without the token."""
        return quoted(said.replace(self.token, "[token]"))

    def _ask(self, method: str, path: str, stated: type[S], content: bytes = b"") -> S:
        where = f"{self.endpoint}{path.partition('?')[0]}"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            reply = ask(
                self.connections,
                method,
                f"{self.endpoint}{path}",
                max_bytes=MAX_BYTES,
                headers=headers,
                content=lambda: content,
            )
        except TransferError as e:
            raise TransferError(str(e).replace(self.token, "[token]")) from None
        if reply.status not in (200, 202):
            raise PinError(f"{where}: HTTP {reply.status}: {self._reason(reply.body)}")
        return stated.read(reply.body, where)

    def _reason(self, body: bytes) -> str:
        """Why the service refuses, if it says so in the form of the API."""
        try:
            error = _Refusal.read(body, "").error
        except PinError:
            return "no reason given"
        return self.quoted(f"{error.reason} {error.details}".strip())


def _token(options: Options) -> str:
    """The token; what the options say is not shown, because it may be a token put there."""
    try:
        if options.token_env is not None:
            found = os.environ.get(options.token_env, "")
        else:
            found = Path(str(options.token_file)).read_text("latin-1")
    except OSError as e:
        raise PinError(f"token_file: cannot be read: {e.strerror}") from None
    if not _TOKEN.fullmatch(found.strip()):
        key = "token_file" if options.token_env is None else "token_env"
        raise PinError(f"{key}: want it to name a token: visible ASCII characters, no spaces")
    return found.strip()
