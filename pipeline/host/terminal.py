"""Where errors become exit codes: 0 done, 1 refused or failed, 2 wrong usage (click's)."""

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

from pipeline.errors import PipelineError, SpecError
from pipeline.host import progress
from pipeline.host.lifetime import die_with_parent
from pipeline.layout import Layout

P = ParamSpec("P")


@contextmanager
def failing(*, as_json: bool = False, cell: str = "") -> Iterator[None]:
    """What goes wrong in the block ends the process with one line and exit code 1.

    With `as_json` the line is the key `error` of a JSON object on standard output. With `cell` it
    names the cell, unless params.yaml itself is wrong. OVPIPE_DEBUG=1 shows the traceback instead.
    """
    try:
        yield
    except (PipelineError, OSError) as e:
        if os.environ.get("OVPIPE_DEBUG") == "1":
            raise
        where = f"{cell}: " if cell and not isinstance(e, SpecError) else ""
        _say(str(e), f"error: {where}{e}", as_json)
        sys.exit(1)
    except KeyboardInterrupt:
        _say("interrupted", "interrupted", as_json)
        sys.exit(130)


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command's body, whose errors end it as `failing` says."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with failing():
            function(*args, **kwargs)

    return run


def stage(function: Callable[P, None]) -> Callable[P, None]:
    """A command that DVC runs: it dies with DVC, and says what it is doing if that takes long."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        die_with_parent()
        address = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
        with (
            progress.bar(None, " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])),
            failing(cell=address if "@" in address else ""),
            _leaving_the_reason(address or "by-hand"),
        ):
            function(*args, **kwargs)

    return run


@contextmanager
def _leaving_the_reason(address: str) -> Iterator[None]:
    """Why a stage that DVC runs failed is left for `ovpipe build`, in a file of its own."""
    reason = Layout().failure(address)
    reason.unlink(missing_ok=True)
    try:
        yield
    except Exception as e:
        ours = isinstance(e, PipelineError | OSError)
        reason.parent.mkdir(parents=True, exist_ok=True)
        reason.write_text(str(e) if ours else f"{type(e).__name__}: {e}", encoding="utf-8")
        raise


def _say(error: str, line: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error}, ensure_ascii=False))
    else:
        print(line, file=sys.stderr)
