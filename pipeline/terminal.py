"""Where errors become exit codes: 0 done, 1 refused or failed, 2 wrong usage (click's)."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

from pipeline.errors import PipelineError
from pipeline.lifetime import die_with_parent

P = ParamSpec("P")


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command's body, whose errors end it with one line and exit code 1.

    OVPIPE_DEBUG=1 shows the traceback instead.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (PipelineError, OSError) as e:
            if os.environ.get("OVPIPE_DEBUG") == "1":
                raise
            print(f"error: {e}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    return run


def stage(function: Callable[P, None]) -> Callable[P, None]:
    """A command that DVC runs: it dies with DVC."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        die_with_parent()
        command(function)(*args, **kwargs)

    return run
