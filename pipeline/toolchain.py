"""The versions of installed distributions, as evidence and as what decides bytes."""

import functools
from collections.abc import Iterable
from importlib import metadata

RUNTIME = ("openvino", "openvino-tokenizers")


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """The installed version of each distribution; `none` where it is not installed."""
    return {name: _version(name) for name in sorted(distributions)}


@functools.cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
