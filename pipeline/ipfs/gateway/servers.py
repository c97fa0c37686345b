"""Where blocks can be had, and how each kind of server is asked.

Sources: Trustless Gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/, "HTTP
Request", "CAR Responses") and the RPC of Kubo (https://docs.ipfs.tech/reference/kubo/rpc/,
"dag/export", "block/get"), which takes POST only.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.errors import SpecError
from pipeline.http import check_url, shown
from pipeline.ipfs.cid import Cid

VARIABLE = "OVPIPE_GATEWAYS"
DEFAULT_GATEWAYS = "https://trustless-gateway.link,https://ipfs.io"
_KUBO = "http://127.0.0.1:5001"


class Request(NamedTuple):
    """An HTTP request without a body."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Gateway:
    """A trustless gateway."""

    url: str

    def __str__(self) -> str:
        return self.url

    def car(self, cid: Cid) -> Request:
        """All blocks at and below a CID, each after one that links to it."""
        accept = "application/vnd.ipld.car; version=1; order=dfs; dups=n"
        return Request("GET", f"{self.url}/ipfs/{cid}?format=car", {"Accept": accept})

    def block(self, cid: Cid) -> Request:
        """One block."""
        accept = "application/vnd.ipld.raw"
        return Request("GET", f"{self.url}/ipfs/{cid}?format=raw", {"Accept": accept})


@dataclass(frozen=True, slots=True)
class Kubo:
    """The RPC of a Kubo node."""

    url: str

    def __str__(self) -> str:
        return f"kubo:{self.url}"

    def car(self, cid: Cid) -> Request:
        """All blocks at and below a CID, each after one that links to it."""
        return Request("POST", f"{self.url}/api/v0/dag/export?arg={cid}", {})

    def block(self, cid: Cid) -> Request:
        """One block."""
        return Request("POST", f"{self.url}/api/v0/block/get?arg={cid}", {})


Source = Gateway | Kubo | Path
"""A server, or a CAR on disk."""


def find_source(text: str) -> Source:
    """The source that a text names.

    Args:
        text: `https://HOST` for a trustless gateway, `kubo:http://HOST:PORT` for the RPC of a Kubo
            node (`kubo` alone for this machine's), and anything else is the path of a CAR.

    Raises:
        SpecError: a URL that is none, or a CAR that is not there.
    """
    if text == "kubo" or text.startswith("kubo:"):
        return Kubo(_base_url(text.removeprefix("kubo").removeprefix(":") or _KUBO))
    if "://" in text:
        return Gateway(_base_url(text))
    if not Path(text).is_file():
        raise SpecError(f"{text!r}: want https://HOST, kubo:http://HOST:PORT or the path of a CAR")
    return Path(text)


def usual_sources() -> list[Source]:
    """What OVPIPE_GATEWAYS lists, separated by commas; two public gateways if it is not set.

    Raises:
        SpecError: something in the list is no source.
    """
    listed = os.environ.get(VARIABLE) or DEFAULT_GATEWAYS
    try:
        return [find_source(text.strip()) for text in listed.split(",") if text.strip()]
    except SpecError as e:
        raise SpecError(f"{VARIABLE}: {e}") from e


def _base_url(url: str) -> str:
    if wrong := check_url(url):
        raise SpecError(wrong)
    if urlsplit(url).query or urlsplit(url).fragment:
        raise SpecError(f"{shown(url)!r}: want a URL without ? and #")
    return url.rstrip("/")
