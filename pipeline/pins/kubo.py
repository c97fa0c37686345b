"""`kubo`: a node that speaks Kubo's RPC takes a CAR, pins its root and gives every block back.

Neither an import nor a pin proves anything (js-ipfs takes damaged blocks and answers 200), so what
counts is the reading back, block by block, from the node's own store. A node that lists the pin
already is read back and, if all is there, sent nothing.

Source: Kubo RPC API v0 (https://docs.ipfs.tech/reference/kubo/rpc/): dag/import, pin/ls, block/get.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlencode

from pydantic import Field

from pipeline.errors import PinError
from pipeline.host import progress
from pipeline.http import Connections, Deadline
from pipeline.http.backoff import Content, Reply, ask
from pipeline.ipfs import car
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import Block, Dag
from pipeline.pins import ReadBack
from pipeline.pins._answers import MAX_BYTES, Stated, names, quoted
from pipeline.pins._options import DeadlineS, Endpoint
from pipeline.pins._read_back import read_back
from pipeline.record import Record

# Only what the node itself has counts, and it has it at once; js-ipfs would wait for ever.
LOCAL = {"offline": "true", "timeout": "30s"}


class Options(Record):
    """Which node, and how long it may take in all.

    Args:
        api: where its RPC is, without /api/v0.
        deadline_s: seconds for sending, pinning and reading back.
    """

    api: Endpoint = "http://127.0.0.1:5001"
    deadline_s: DeadlineS = 600.0


class _Pin(Stated):
    kind: str = Field(alias="Type")


class _Pins(Stated):
    by_cid: dict[str, _Pin] = Field(alias="Keys")


def pin(name: str, dag: Dag, options: Options) -> ReadBack:
    """Import and pin the DAG, unless the node has it whole, and read it back.

    Raises:
        PinError: the node refuses, or does not give back what it was given.
        TransferError: it cannot be reached, is too slow, or sends too much.
        IntegrityError: the artifact's folder changed in the meantime.
    """
    # After the last byte of a large CAR a node may be busy for long without a word.
    deadline = Deadline(options.deadline_s, silence_s=options.deadline_s)
    with Connections(deadline) as connections:
        node = _Node(options.api, connections)
        if node.has_pinned(dag.root):
            with suppress(PinError):  # pinned, but not whole: it gets everything again
                return read_back(dag, node.block, options.api)
        answer = node.take(dag)
        if not node.has_pinned(dag.root):
            raise PinError(f"{options.api}: {dag.root} is not pinned; import said {answer}")
        return read_back(dag, node.block, options.api)


class _Node:
    """The commands of a node; each is a POST."""

    def __init__(self, api: str, connections: Connections) -> None:
        self._api, self._connections = api, connections

    def has_pinned(self, cid: Cid) -> bool:
        """Whether the node lists a recursive pin of a CID."""
        reply = self._ask("pin/ls", {"arg": str(cid), "type": "recursive"})
        if reply.status == 500 and b"is not pinned" in reply.body:
            return False
        pins = _Pins.read(self._good("pin/ls", reply), f"{self._api}: pin/ls").by_cid
        return any(names(key, cid) and pin.kind == "recursive" for key, pin in pins.items())

    def take(self, dag: Dag) -> str:
        """Send the DAG as a CAR, its root to be pinned; what the node says to it."""
        boundary = f"ovpipe-{dag.root}"  # no file can hold the CID of its own folder
        reply = self._ask(
            "dag/import",
            {"pin-roots": "true"},
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            content=lambda: _form(dag, boundary),
        )
        return _quoted(self._good("dag/import", reply))

    def block(self, block: Block) -> bytes:
        """The bytes that the node has for a block, not hashed; not more than it should have."""
        query = {"arg": str(block.cid), **LOCAL}
        reply = self._ask("block/get", query, max_bytes=max(block.size_bytes, MAX_BYTES))
        return self._good("block/get", reply)

    def _ask(
        self,
        command: str,
        query: Mapping[str, str],
        *,
        max_bytes: int = MAX_BYTES,
        headers: Mapping[str, str] | None = None,
        content: Content = bytes,
    ) -> Reply:
        url = f"{self._api}/api/v0/{command}?{urlencode(query)}"
        return ask(
            self._connections, "POST", url, max_bytes=max_bytes, headers=headers, content=content
        )

    def _good(self, command: str, reply: Reply) -> bytes:
        if reply.status != 200:
            said = _quoted(reply.body)
            raise PinError(f"{self._api}: {command}: HTTP {reply.status}: {said}")
        return reply.body


def _quoted(body: bytes) -> str:
    return quoted(body.decode("utf-8", "replace"))


def _form(dag: Dag, boundary: str) -> Iterator[bytes]:
    """A form of one file, the DAG's CAR, as it comes from the folder."""
    yield (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{dag.root}.car"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    with progress.bar(car.car_size(dag), "send", "B") as bar:
        for piece in car.pieces(dag):
            yield bytes(piece)
            bar.update(len(piece))
    yield f"\r\n--{boundary}--\r\n".encode()
