"""A Hugging Face hub on loopback: the interface that the real client uses, and faults to switch on.

With `Hub() as hub`, `hub.add("owner/name", {"config.json": b"{}"})` gives a commit that
huggingface_hub downloads when HF_ENDPOINT is `hub.url`. As at the real one, a small file is
redirected to a path of the same host, an LFS file to another host (`hub.cdn`).
"""

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

LISTING = "listing"
OF_OLD = "of-old"  # whose the repositories without an owner are


class Fault(Enum):
    """What goes wrong with the body of a file, or of the listing."""

    WRONG_BYTES = auto()  # of the right number
    SHORT = auto()  # half of it, said to be all
    TRUNCATED = auto()  # half of it, then the connection ends; the fault is off then
    STALLED = auto()  # half of it, then nothing
    ENDLESS = auto()  # it, again and again
    EVIL_HEADERS = auto()  # ETag and commit climb out of a cache


class Request(NamedTuple):
    """What the hub or its CDN was asked; `headers` has the names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Repo:
    """A repository with one commit; of a data set its name begins with datasets/."""

    files: Mapping[str, bytes]
    lfs: Collection[str]
    card: dict[str, Any]
    token: str | None
    commit: str

    def sibling(self, name: str) -> dict[str, Any]:
        """A file as the hub lists it."""
        content = self.files[name]
        listed: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob(content)}
        if name in self.lfs:
            sha256 = hashlib.sha256(content).hexdigest()
            listed["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
        return listed


@dataclass
class Hub:
    """The server; use it as a context manager.

    Attributes:
        faults: by file name, or LISTING: a Fault, or an HTTP status to answer with.
        locations: by file name, where it is redirected to instead; to its own path for a loop.
        relist: changes the listing before it is sent.
        requests: every one, to the hub and to its CDN.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    faults: dict[str, Fault | int] = field(default_factory=dict)
    locations: dict[str, str] = field(default_factory=dict)
    relist: Callable[[dict[str, Any]], Any] = lambda listing: listing
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.closed = threading.Event()
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) for _ in range(2)]
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_port}" for s in self._servers)
        for server in self._servers:
            server.daemon_threads, server.block_on_close = True, False
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(
        self,
        repo: str,
        files: Mapping[str, bytes],
        *,
        lfs: Collection[str] = (),
        card: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> str:
        """Hold a repository, private if it has a token; the commit is a digest of its files.

        One of old has no owner in its name.
        """
        repo = repo if "/" in repo else f"{OF_OLD}/{repo}"
        listed = json.dumps([repo, [(name, blob(content)) for name, content in files.items()]])
        commit = hashlib.sha1(listed.encode(), usedforsecurity=False).hexdigest()
        self.repos[repo] = Repo(files, lfs, card or {}, token, commit)
        return commit


def blob(content: bytes) -> str:
    """The id that git gives a file."""
    framed = b"blob %d\0" % len(content) + content
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest()


def _full(kind: str, owner: str, name: str) -> str:
    """A repository's name, as `Hub.add` was given it."""
    return f"{owner}/{name}" if kind == "models" else f"{kind}/{owner}/{name}"


def _owned(parts: list[str]) -> list[str]:
    """The path, with an owner for a repository of old that has none, as `bert-base-uncased`."""
    match parts:
        case ["api", "models", name, "revision", revision]:
            return ["api", "models", OF_OLD, name, "revision", revision]
        case [name, "resolve", revision, *file] if len(revision) == 40:
            return [OF_OLD, name, "resolve", revision, *file]
    return parts


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"hub": hub})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.hub.requests.append(Request(self.command, self.path, headers))
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        match _owned(parts):
            case ["cdn", "datasets", owner, name, *file]:
                self._send_file(self.hub.repos[f"datasets/{owner}/{name}"], "/".join(file))
            case ["cdn", owner, name, *file]:
                self._send_file(self.hub.repos[f"{owner}/{name}"], "/".join(file))
            case ["api", "resolve-cache", kind, owner, name, revision, *file]:
                if repo := self._repo(_full(kind, owner, name), revision):
                    self._send_file(repo, "/".join(file))
            case ["api", ("models" | "datasets") as kind, owner, name, "revision", revision]:
                if repo := self._repo(_full(kind, owner, name), revision):
                    self._send_listing(f"{owner}/{name}", repo)
            case ["datasets", owner, name, "resolve", revision, *file]:
                if repo := self._repo(full := f"datasets/{owner}/{name}", revision):
                    self._redirect_to(full, repo, "/".join(file))
            case [owner, name, "resolve", revision, *file]:
                if repo := self._repo(f"{owner}/{name}", revision):
                    self._redirect_to(f"{owner}/{name}", repo, "/".join(file))
            case _:
                self._refuse(404, "EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _repo(self, full_name: str, revision: str) -> Repo | None:
        repo, given = self.hub.repos.get(full_name), self.headers["Authorization"]
        if repo is None or (repo.token and given != f"Bearer {repo.token}"):
            return self._refuse(404 if given else 401, "RepoNotFound")
        if revision not in ("main", repo.commit):
            return self._refuse(404, "RevisionNotFound")
        return repo

    def _send_listing(self, full_name: str, repo: Repo) -> None:
        listing = {
            "id": full_name,
            "sha": repo.commit,
            "private": repo.token is not None,
            "cardData": repo.card,
            "siblings": [repo.sibling(name) for name in repo.files],
        }
        body = json.dumps(self.hub.relist(listing)).encode()
        self._send(body, LISTING, {"Content-Type": "application/json"})

    def _redirect_to(self, full_name: str, repo: Repo, file: str) -> None:
        """Where the content is: for LFS the CDN, else a path of this host."""
        if file not in repo.files:
            return self._refuse(404, "EntryNotFound")
        listed = repo.sibling(file)
        headers = {"X-Repo-Commit": repo.commit, "ETag": f'"{listed["blobId"]}"'}
        if lfs := listed.get("lfs"):
            headers |= {"X-Linked-Etag": f'"{lfs["sha256"]}"', "X-Linked-Size": str(lfs["size"])}
            target = f"{self.hub.cdn}/cdn/{full_name}/{quote(file)}?signature=secret"
        else:
            kind = "" if full_name.startswith("datasets/") else "models/"
            target = f"/api/resolve-cache/{kind}{full_name}/{repo.commit}/{quote(file)}"
        location = self.hub.locations.get(file, target)
        return self._answer(307, {**headers, **self._evil(file), "Location": location}, b"")

    def _send_file(self, repo: Repo, file: str) -> None:
        headers = {"X-Repo-Commit": repo.commit, "ETag": f'"{blob(repo.files[file])}"'}
        self._send(repo.files[file], file, {**headers, **self._evil(file)})

    def _evil(self, file: str) -> dict[str, str]:
        if self.hub.faults.get(file) is not Fault.EVIL_HEADERS:
            return {}
        names = ("X-Repo-Commit", "ETag", "X-Linked-Etag")
        return dict.fromkeys(names, '"../../../../escaped"') | {
            "Content-Disposition": 'attachment; filename="../../escaped";'
        }

    def _send(self, body: bytes, name: str, headers: Mapping[str, str]) -> None:
        """The body, or the part of it that a Range asks for, with the fault that is on."""
        fault = self.hub.faults.get(name)
        if isinstance(fault, int):
            return self._refuse(fault, "")
        if self.command == "HEAD":
            return self._answer(200, headers, body)
        if fault is Fault.WRONG_BYTES:
            body = bytes(byte ^ 1 for byte in body)
        half = len(body) // 2
        if fault is Fault.SHORT:
            body = body[:half]
        if asked := self.headers["Range"]:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            there = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self._answer(206, {**headers, "Content-Range": there}, body[start:])
        if fault in (Fault.TRUNCATED, Fault.STALLED):
            self._answer(200, headers, body[:half], said_bytes=len(body))
            self.close_connection = True
            if fault is Fault.STALLED:
                self.hub.closed.wait()
            del self.hub.faults[name]
            return None
        if fault is Fault.ENDLESS:
            return self._send_for_ever(body)
        return self._answer(200, headers, body)

    def _send_for_ever(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        block = body * (65536 // len(body) + 1)
        try:
            while not self.hub.closed.is_set():
                self.wfile.write(block)
        except ConnectionError:  # the client had enough
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, {"X-Error-Code": code, "X-Error-Message": "\x1b[31mno"}, b"")

    def _answer(
        self, status: int, headers: Mapping[str, str], body: bytes, said_bytes: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if said_bytes is None else said_bytes))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
