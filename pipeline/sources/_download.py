"""Downloads over HTTP that cannot grow past what was promised.

`http_get` of huggingface_hub streams into a file and resumes what the network cut off; here it is
given a file that takes no more bytes than it should. Messages carry no URL: a redirect's may hold a
signature.
"""

from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from pipeline.errors import IntegrityError, SourceError
from pipeline.host import reasons

_HINTS = {
    401: "not there, or private; if it is private, set HF_TOKEN to a token that may read it",
    403: "access refused; set HF_TOKEN to a token that may read it",
    404: "not there, or not for this HF_TOKEN",
    429: "too many requests; try again later",
}


def download(
    url: str,
    path: Path,
    *,
    where: str,
    limit_bytes: int,
    headers: Mapping[str, str],
    arrived: Callable[[int], object] = lambda _: None,
) -> None:
    """Fill a new file with what a URL gives.

    Args:
        url: http or https; redirects are followed, without the credentials to another origin.
        path: the file; its folder is made.
        where: what is downloaded, for messages.
        limit_bytes: how large the file may become.
        headers: of the request.
        arrived: is told how many bytes came, as they come.

    Raises:
        SourceError: the server cannot be reached or refuses, or the file cannot be written.
        IntegrityError: there came more bytes than the limit.
    """
    import httpx
    from huggingface_hub.file_download import http_get

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _Capped(path, where, limit_bytes, arrived) as file:
            http_get(url, file, headers=dict(headers))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as e:
        raise SourceError(f"{where}: {_reason(e)}") from e


class _Capped(FileIO):
    """A new file that refuses to grow past its limit."""

    def __init__(
        self, path: Path, where: str, limit_bytes: int, arrived: Callable[[int], object]
    ) -> None:
        super().__init__(path, "x")
        self._where, self._limit_bytes, self._arrived = where, limit_bytes, arrived

    def write(self, piece: Any) -> int:
        if self.tell() + len(piece) > self._limit_bytes:
            raise IntegrityError(
                f"{self._where}: want at most {self._limit_bytes} bytes; the server sends more"
            )
        self._arrived(len(piece))
        return super().write(piece)


def _reason(e: Exception) -> str:
    """Why a download failed; of what the server itself said only its status code."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(e, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to fetch"
    if isinstance(e, HfHubHTTPError):
        status = e.response.status_code
        return f"HTTP {status}: {_HINTS.get(status, 'try again later')}"
    said = reasons.shortened(" ".join(str(e).split()) or "the connection broke off", 200)
    return f"{said} ({type(e).__name__})"
