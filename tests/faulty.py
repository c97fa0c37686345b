"""A server on loopback with faults to switch on: a node's RPC, a pinning service, a gateway.

With `Faulty() as server`, `server.url` is where Kubo's RPC (`/api/v0/...`), the Pinning Service API
(`/pins`) and a trustless gateway (`/ipfs/CID`) answer, from the same blocks. A fault belongs to a
route: a command of the RPC (`block/get`), `pins/list`, `pins/add`, `pins/get`, `ipfs/car`, or
`ipfs/raw`.

    server.faults["block/get"] = Fault.WRONG_BLOCK
    server.faults["dag/import"] = 500
"""

import io
import json
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from multiformats import multibase

from pipeline.ipfs import car
from pipeline.ipfs.cid import RAW, Cid

OTHER = str(Cid(1, RAW, sha256(b"other").digest()))
REFUSALS = 3
CREATED = "2026-01-02T03:04:05Z"


class Fault(Enum):
    """What goes wrong with one route."""

    WRONG_BLOCK = auto()  # one bit of what is sent, or stored by an import, is wrong
    TRUNCATED = auto()  # half of the answer, then the connection ends
    STALLED = auto()  # half of the answer, then nothing
    ENDLESS = auto()  # the answer, again and again
    DRIPPING = auto()  # the answer, twenty bytes a second
    GARBAGE = auto()  # an answer in no known form
    REDIRECT = auto()  # to `location`: if that is not set, in circles
    ECHO = auto()  # refuses, and repeats the request's headers
    SILENT = auto()  # reads no request, says nothing
    DIES = auto()  # the connection ends in the middle of the request
    BUSY = auto()  # 503 to the first three requests; the fault is off then
    OTHER_CID = auto()  # the answer is about another CID
    QUEUED = auto()  # never pinned
    FAILED = auto()  # the service cannot pin it


class Request(NamedTuple):
    """What the server was asked; `headers` has the names in lower case."""

    route: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Faulty:
    """The server; use it as a context manager.

    Attributes:
        faults: by route: a Fault, or an HTTP status to answer with.
        token: what `/pins` wants as a bearer, if anything.
        retry_after: the header of a 503.
        location: where redirects lead.
        meanwhile: what happens elsewhere while a request to a route is answered.
        blocks: by sha2-256, what the node and the gateway have.
        cars: by root, what was imported.
        pinned: CIDs that the node has pinned.
        pins: what the pinning service knows, by request id.
        requests: every one.
    """

    faults: dict[str, Fault | int] = field(default_factory=dict)
    token: str | None = None
    retry_after: str = "0"
    location: str = ""
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    cars: dict[str, bytes] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    pins: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.closed = threading.Event()
        self.refusals: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, archive: bytes) -> None:
        """Have the blocks of a CAR."""
        self.cars[str(car.CarFile(io.BytesIO(archive)).only_root(None))] = archive
        for cid, block in car.blocks(io.BytesIO(archive)):
            self.blocks[cid.digest] = block

    def asked(self, route: str) -> int:
        """How often."""
        return sum(request.route == route for request in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing to report."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(server: Faulty) -> type["_Handler"]:
    return type("Handler", (_Handler,), {"faulty": server})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    faulty: Faulty

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        match self.command, url.path.strip("/").split("/"):
            case "POST", ["api", "v0", *command]:
                self.route = "/".join(command)
            case "GET", ["pins"]:
                self.route = "pins/list"
            case "POST", ["pins"]:
                self.route = "pins/add"
            case "GET", ["pins", request_id]:
                self.route, self.query["id"] = "pins/get", request_id
            case "GET", ["ipfs", cid]:
                wants_car = "ipld.car" in self.headers.get("Accept", "")
                self.route, self.query["arg"] = f"ipfs/{'car' if wants_car else 'raw'}", cid
            case _:
                self.route = ""
        self.fault = self.faulty.faults.get(self.route)
        headers = {key.lower(): value for key, value in self.headers.items()}
        if self.fault in (Fault.SILENT, Fault.DIES):
            self.faulty.requests.append(Request(self.route, self.path, headers, b""))
            return self._hang_up(wait=self.fault is Fault.SILENT)
        body = self._body()
        self.faulty.requests.append(Request(self.route, self.path, headers, body))
        self.faulty.meanwhile.get(self.route, lambda: None)()
        if isinstance(self.fault, int):
            return self._say(self.fault, {"Message": "no", "error": {"reason": "NO"}})
        if self.fault is Fault.REDIRECT:
            return self._send(307, b"", {"Location": self.faulty.location or self.path})
        if self.fault is Fault.ECHO:
            return self._say(400, {"Message": "no", "error": {"details": str(headers)}})
        if self.fault is Fault.BUSY and self.faulty.refusals[self.route] < REFUSALS:
            self.faulty.refusals[self.route] += 1
            return self._send(503, b"busy", {"Retry-After": self.faulty.retry_after})
        if self.route.startswith("pins/"):
            return self._pinning_service(body)
        return self._node(body)

    do_GET = do_POST  # noqa: N815 - http.server's name

    def _node(self, body: bytes) -> None:
        cid = self.query.get("arg", "")
        match self.route:
            case "version":
                self._say(200, {"Version": "0.0.0-faulty"})
            case "dag/import":
                self._say(200, {"Root": {"Cid": {"/": self._import(body)}, "PinErrorMsg": ""}})
            case "pin/add":
                self.faulty.pinned.add(cid)
                self._say(200, {"Pins": [cid]})
            case "pin/ls" if cid in self.faulty.pinned:
                named = OTHER if self.fault is Fault.OTHER_CID else _base58(cid)
                self._say(200, {"Keys": {named: {"Type": "recursive"}}})
            case "pin/ls":
                self._say(500, {"Message": f"path '{cid}' is not pinned", "Type": "error"})
            case "block/get":
                self._give(self.faulty.blocks.get(Cid.parse(cid).digest), 500)
            case "dag/export":
                self._give(self.faulty.cars.get(cid), 500)
            case "ipfs/car":
                self._give(self.faulty.cars.get(cid), 404)
            case "ipfs/raw":
                self._give(self.faulty.blocks.get(Cid.parse(cid).digest), 404)
            case _:
                self._say(404, {"Message": f"no {self.path}"})

    def _import(self, form: bytes) -> str:
        """Take the one file of a form, as js-ipfs does: whatever its bytes are."""
        boundary = form[: form.index(b"\r\n")]
        archive = form.partition(b"\r\n\r\n")[2].rpartition(b"\r\n" + boundary)[0]
        self.faulty.add(archive)
        root = list(self.faulty.cars)[-1]
        if self.fault is Fault.WRONG_BLOCK:
            digest = list(self.faulty.blocks)[-1]
            self.faulty.blocks[digest] = _damaged(self.faulty.blocks[digest])
        if self.query.get("pin-roots") != "false":
            self.faulty.pinned.add(root)
        return OTHER if self.fault is Fault.OTHER_CID else root

    def _pinning_service(self, body: bytes) -> None:
        pins = self.faulty.pins
        if self.faulty.token and self.headers["Authorization"] != f"Bearer {self.faulty.token}":
            return self._say(401, {"error": {"reason": "UNAUTHORIZED"}})
        match self.route:
            case "pins/add":
                request_id = f"request-{len(pins) + 1}"
                pins[request_id] = {
                    "requestid": request_id,
                    "status": "queued",
                    "created": CREATED,
                    "pin": json.loads(body),
                    "delegates": ["/dns4/localhost"],
                }
                self._say(202, self._status(pins[request_id]))
            case "pins/list":
                wanted = self.query.get("status", "pinned").split(",")
                found = [
                    self._status(pin)
                    for pin in pins.values()
                    if pin["pin"]["cid"] == self.query["cid"] and pin["status"] in wanted
                ]
                self._say(200, {"count": len(found), "results": found})
            case _:
                pin = pins[self.query["id"]]
                if self.fault is Fault.FAILED:
                    pin |= {"status": "failed", "info": {"status_details": "no peer has it"}}
                elif self.fault is not Fault.QUEUED:
                    pin["status"] = "pinned"
                self._say(200, self._status(pin))
        return None

    def _status(self, pin: dict[str, Any]) -> dict[str, Any]:
        if self.fault is Fault.OTHER_CID:
            return {**pin, "status": "pinned", "pin": {**pin["pin"], "cid": OTHER}}
        return pin

    def _give(self, content: bytes | None, missing: int) -> None:
        if content is None:
            return self._say(missing, {"Message": "block was not found locally (offline)"})
        return self._send(200, content, {"Content-Type": "application/octet-stream"})

    def _say(self, status: int, answer: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """The answer, with the fault that is on."""
        if self.fault is Fault.GARBAGE:
            body = b"\x1b[31m" + b"[" * 5000
        elif self.fault is Fault.WRONG_BLOCK and self.route != "dag/import":
            body = _damaged(body)
        length = len(body) if self.fault is not Fault.ENDLESS else 1 << 60
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.fault in (Fault.TRUNCATED, Fault.STALLED):
            self.wfile.write(body[: len(body) // 2])
            return self._hang_up(wait=self.fault is Fault.STALLED)
        if self.fault is Fault.ENDLESS:
            return self._send_for_ever(body)
        if self.fault is Fault.DRIPPING:
            return self._drip(body)
        self.wfile.write(body)
        return None

    def _send_for_ever(self, body: bytes) -> None:
        block = body * (65536 // len(body) + 1)
        try:
            while not self.faulty.closed.is_set():
                self.wfile.write(block)
        except ConnectionError:  # the client had enough
            self.close_connection = True

    def _drip(self, body: bytes) -> None:
        for byte in body:
            self.wfile.write(bytes((byte,)))
            if self.faulty.closed.wait(0.05):
                return

    def _hang_up(self, *, wait: bool) -> None:
        if wait:
            self.faulty.closed.wait()
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client was first
            return

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = bytearray()
        while (line := self.rfile.readline()) and (size := int(line, 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        if not line:
            raise ConnectionError("the client went away")
        self.rfile.readline()
        return bytes(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _base58(cid: str) -> str:
    """How js-ipfs spells a CIDv1, unless it is asked for another base."""
    return multibase.get("base58btc").encode(Cid.parse(cid).bytes)


def _damaged(content: bytes) -> bytes:
    return content[:-1] + bytes((content[-1] ^ 1,))
