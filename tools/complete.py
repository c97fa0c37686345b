"""Completes .venv after the lock was installed: what torch's build needs, then a trial import.

    python tools/complete.py requirements.lock [MODULE ...]

The lock names torch by version and is installed without dependencies, so the package index decides
the build. A CPU build needs nothing that the lock does not hold. A CUDA build is of no use without
the libraries that its own metadata pins: pip is asked which of them are not there, their size is
said, and they are installed. It imports nothing outside the standard library, for it runs before
anything else is known to work.
"""

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

# `pipeline` is first, for it turns telemetry off. The others are what the stages import: whatever
# is compiled, and whatever finds another distribution only when it is used.
MODULES = (
    "pipeline",
    "torch",
    "transformers",
    "openvino",
    "openvino_tokenizers",
    "openvino_genai",
    "nncf",
    "onnx",
    "optimum.exporters.openvino",
    "optimum.intel.openvino",
    "sentence_transformers",
    "huggingface_hub",
    "dvc.repo",
    "pytest",
)
_DEADLINE_S = 3600
_IMPORT = """\
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as e:
        reason = (str(e).strip() or "no reason given").splitlines()[0]
        sys.exit(f"error: import {name}: {type(e).__name__}: {reason}")
"""


class IncompleteError(Exception):
    """.venv cannot be completed; the text is the line that says so."""


class Missing(NamedTuple):
    """A distribution that is not installed, and where pip would take it from."""

    pin: str
    url: str


def missing(distribution: str, lock: Path) -> list[Missing]:
    """What an installed distribution names in its metadata and is not there, extras included.

    Where nothing is missing, pip answers without asking an index.
    """
    pin = f"{distribution}=={version(distribution)}"
    report = _pip("--dry-run", "--report", "-", "--constraint", str(lock), pin)
    return [_missing(entry) for entry in json.loads(report)["install"]]


def _missing(entry: dict[str, Any]) -> Missing:
    metadata = entry["metadata"]
    return Missing(f"{metadata['name']}=={metadata['version']}", entry["download_info"]["url"])


def size_of(urls: Iterable[str]) -> str:
    """What files come to, as their servers state it; how many of them state nothing is said."""
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(_size, urls))
    known = sum(size for size in sizes if size is not None)
    figure = f"{known / 1e9:.1f} GB" if known >= 1e9 else f"{known / 1e6:.1f} MB"
    unknown = sizes.count(None)
    return figure if not unknown else f"{figure} and {unknown} of unknown size"


def _size(url: str) -> int | None:
    try:
        head = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(head, timeout=10) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, TypeError, ValueError):
        return None


def complete(distribution: str, lock: Path) -> None:
    """Install what a distribution's build needs beside the lock; silent where that is nothing."""
    needs = missing(distribution, lock)
    if not needs:
        return
    print(
        f"{distribution} {version(distribution)} is a build that needs {len(needs)} more "
        f"distributions: {size_of(need.url for need in needs)} to download. "
        "The CPU build needs none: stop, `make clean`, and set PIP_EXTRA_INDEX_URL to PyTorch's "
        "CPU index.",
        file=sys.stderr,
        flush=True,
    )
    _pip("--no-deps", *(need.pin for need in needs))


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=_DEADLINE_S
        )
    except subprocess.TimeoutExpired as e:
        raise IncompleteError(f"error: pip install: not done within {_DEADLINE_S} s") from e
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = (errors or done.stderr.split("\n") or [""])[0].removeprefix("ERROR: ")
        raise IncompleteError(f"error: pip install {' '.join(arguments)}: {reason}")
    return done.stdout


def try_imports(modules: Iterable[str]) -> None:
    """Import modules in a process of their own, where one that fails half-way does no harm."""
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _IMPORT, *modules],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_DEADLINE_S,
        )
    except subprocess.TimeoutExpired as e:
        raise IncompleteError(f"error: import: not done within {_DEADLINE_S} s") from e
    if done.returncode:
        # A process that a signal ended (a CPU without an instruction) has said nothing.
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        raise IncompleteError(said[-1] if said else f"error: import ended with {done.returncode}")


def main() -> None:
    """Complete the environment whose interpreter runs this."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lock", type=Path, help="the versions that hold for whatever is added")
    parser.add_argument("module", nargs="*", default=MODULES, help="what must import at the end")
    arguments = parser.parse_args()
    try:
        complete("torch", arguments.lock)
        try_imports(arguments.module)
    except IncompleteError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
