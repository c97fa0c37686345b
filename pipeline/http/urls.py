"""URLs: which ones are usable, where a redirect may lead, and how a message shows them."""

from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from pipeline.errors import TransferError


def shown(url: str) -> str:
    """A URL as a message may show it: without query, user name and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nobody else reads what is sent to it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_url(url: str) -> str | None:
    """What is wrong with a URL from params.yaml, the command line or a redirect, or None."""
    want = "want http://HOST[:PORT] or https://HOST"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not match, or a port out of range
        return f"a URL that cannot be read: {want}"
    if "@" in parts.netloc:
        return f"{shown(url)!r}: want no user name or password in a URL"
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        return f"{shown(url)!r}: {want}"
    return None


def redirected(url: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        TransferError: to what is no usable URL, or from https to http.
    """
    try:
        target = urljoin(url, location)
    except ValueError as e:
        raise TransferError("redirects to what is no URL") from e
    if wrong := check_url(target):
        raise TransferError(f"redirects to {wrong}")
    if url.startswith("https:") and not target.startswith("https:"):
        raise TransferError(f"redirects to {shown(target)!r}: want https")
    return target
