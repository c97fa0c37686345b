"""Answers as IPFS Accelerate's callers read them: dictionaries with a `status`, never an exception.

This is the one boundary at which everything is caught. The typed API below it raises.
"""

import functools
import os
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from pipeline.errors import PipelineError
from pipeline.host import reasons

Answer = dict[str, Any]
S = TypeVar("S")
P = ParamSpec("P")

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6 if hasattr(os, "sysconf") else 0.0
_statm: int | None = None


def answered(
    method: Callable[Concatenate[S, P], Answer],
) -> Callable[Concatenate[S, P], Answer]:
    """A method whose errors are answers: `status`, `message` and the class of the error."""

    @functools.wraps(method)
    def answer(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return method(self, *args, **kwargs)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as e:  # tokenizers panics with a BaseException of its own
            return failure(e)

    return answer


def failure(error: BaseException) -> Answer:
    """What an error says to a caller."""
    is_ours = isinstance(error, PipelineError)
    message = str(error) if is_ours else reasons.why(error, "refused")
    return {"status": "error", "message": message, "error_type": type(error).__name__}


def resident_mb() -> float:
    """The resident set of this process in MB, by an open /proc/self/statm where there is one.

    Elsewhere it is the largest that it was so far.
    """
    if _statm is None:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if os.uname().sysname == "Darwin" else peak * 1024 / 1e6
    return int(os.pread(_statm, 128, 0).split()[1]) * _PAGE_MB


def _open() -> None:
    """Open this process's own file: after a fork the open one is still its parent's."""
    global _statm
    try:
        _statm = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        _statm = None


_open()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open)
