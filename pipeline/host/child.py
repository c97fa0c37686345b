"""What runs in a child process; only sandbox.py starts it.

Two processes. The *keeper* reads how the child shall be (`Setup`), starts the *worker* and watches.
It ends everything below it when the requests end, as they do when the parent dies or has enough,
when the worker ends, and when all together take more than they may. So a child lives as long as the
process that wants it, whichever of its threads started it, and leaves nothing behind. The worker
raises its walls, says which hold, and answers requests.

The parent writes pickles to standard input, each after its length. Answers are lines of JSON on a
pipe of their own: an object with `walls`, `progress` or `result`, or with `error` and `message`.
"""

import contextlib
import importlib
import json
import os
import pickle
import re
import select
import struct
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import PipelineError
from pipeline.host import memory, namespaces, progress, tree, walls
from pipeline.host.lifetime import die_with_parent

# Exit codes of the keeper; another one is the worker's, or 128 and the signal that killed it.
OVER_MEMORY, OVER_LOG, OVER_PROCESSES, NO_NAMESPACES = 120, 121, 122, 123
MAX_LOG_BYTES = 64 << 20
MAX_PROCESSES = 1000

REQUESTS = 0  # standard input
LENGTH = struct.Struct("<Q")
_WATCH_MS = 100
# Of the machine, in the words of torch and OpenVINO, which raise RuntimeError for everything.
_MACHINE = re.compile(
    r"memory|alloc|iostream|no space|too large|input/output|resource|thread|cannot open|timed? out",
    re.IGNORECASE,
)


class Setup(NamedTuple):
    """How a child shall be.

    Args:
        answers: the file descriptor that answers go to.
        access: what it may reach, its scratch among `writes`; None for no walls at all.
        code: where Python and its libraries lie.
        memory_bytes: what the worker and all that it starts may take.
        namespaces: whether to try them.
    """

    answers: int
    access: walls.Access | None
    code: tuple[Path, ...]
    memory_bytes: int
    namespaces: bool


def main() -> None:
    """The keeper: start the worker, watch, end all."""
    setup: Setup = pickle.loads(_read_request())  # noqa: S301 - written by our own parent
    tree.adopt_orphans()
    group = memory.Group.create(setup.memory_bytes)
    within, access = False, setup.access
    try:
        if access and setup.namespaces:
            within = namespaces.enter(access.writes, network=access.network)
    except namespaces.UnfinishedError as e:
        print(f"namespaces: {e}", file=sys.stderr, flush=True)
        sys.exit(NO_NAMESPACES)
    body = _first_process if within else _work
    worker = _fork(lambda: body(setup, group))
    os.close(setup.answers)
    code = _watch(worker, setup.memory_bytes, group)
    tree.end_all()
    if group:
        group.remove()
    os._exit(code)


def _watch(worker: int, memory_bytes: int, group: memory.Group | None) -> int:
    """Wait for one of the ends; the exit code."""
    poll = select.poll()
    poll.register(REQUESTS, 0)  # only that it was closed, never what is in it
    if hasattr(os, "pidfd_open"):
        poll.register(os.pidfd_open(worker), select.POLLIN)
    log_bytes = os.fstat(sys.stderr.fileno()).st_size + MAX_LOG_BYTES
    while True:
        events = poll.poll(_WATCH_MS)
        ended, status = os.waitpid(worker, os.WNOHANG)
        if group and group.overrun():  # the kernel may have killed a lesser one
            return OVER_MEMORY
        if ended:
            return _code(status)
        if any(fd == REQUESTS for fd, _ in events):
            return 0
        below = tree.descendants(os.getpid())
        if tree.memory_bytes(below) > memory_bytes:
            return OVER_MEMORY
        if len(below) > MAX_PROCESSES:
            return OVER_PROCESSES
        if os.fstat(sys.stderr.fileno()).st_size > log_bytes:
            return OVER_LOG


def _first_process(setup: Setup, group: memory.Group | None) -> int:
    """The first process of a PID namespace, with which all others end.

    It is not the worker, because to the first process no signal is fatal, not even abort(3)'s.
    """
    worker = _fork(lambda: _work(setup, group, (walls.NAMESPACES,)))
    os.close(setup.answers)
    os.close(REQUESTS)
    while True:
        ended, status = os.wait()
        if ended == worker:
            return _code(status)


def _work(setup: Setup, group: memory.Group | None, within: tuple[str, ...] = ()) -> int:
    """The worker: raise the walls, then answer requests until there are no more."""
    import resource

    if group:
        with contextlib.suppress(OSError):  # the keeper watches, too
            group.join()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (setup.memory_bytes, setup.memory_bytes))
    PathFinder.find_spec("")  # every folder on the import path is listed: later it may not be
    held = walls.raise_walls(setup.access, setup.code, within) if setup.access else []
    with os.fdopen(setup.answers, "w") as answers:

        def say(line: str) -> None:
            answers.write(line + "\n")
            answers.flush()

        say(json.dumps({"walls": held}))
        progress.tell(lambda told: say(json.dumps({"progress": told})))
        subject: Any = None
        while message := _read_request():
            name, args = pickle.loads(message)  # noqa: S301 - written by our own parent
            subject, line = _answer(subject, name, args)
            say(line)
    return 0


def _answer(subject: Any, name: str, args: tuple[object, ...]) -> tuple[Any, str]:
    """The object whose methods are called from here on, and the line to say."""
    import resource

    try:
        subject, result = _call(subject, name, args)
        return subject, json.dumps({"result": result})
    except PipelineError as e:
        error, text = type(e).__name__, str(e)
    except MemoryError:
        gib = resource.getrlimit(resource.RLIMIT_DATA)[0] / 2**30
        error = "SandboxError"
        text = f"{name}: out of memory: it may take {gib:.3g} GiB (limits.memory_gib of the model)"
    except BaseException as e:  # noqa: B902 - PanicException of Rust code is no Exception
        from pipeline.host import reasons  # only now, as traceback below

        _print_traceback()
        again = _would_happen_again(e)
        error = "LibraryError" if again else "SandboxError"
        text = reasons.why(e, "refused" if again else "failed over")
    return subject, json.dumps({"error": error, "message": text})


def _would_happen_again(error: BaseException) -> bool:
    """Whether an error tells of what was given, rather than of the machine or the set-up."""
    if isinstance(error, OSError):  # transformers raises bare ones, of what it does not find
        return error.errno is None and not isinstance(error, TimeoutError | ConnectionError)
    if isinstance(error, ImportError | KeyboardInterrupt | SystemExit):
        return False
    return not (isinstance(error, RuntimeError) and _MACHINE.search(str(error)))


def _call(subject: Any, name: str, args: tuple[object, ...]) -> tuple[Any, Any]:
    if subject is not None:
        return subject, getattr(subject, name)(*args)
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    result = function(*args)
    return (result, None) if isinstance(function, type) else (subject, result)


def _read_request() -> bytes:
    """The next request; empty when there are no more. Nothing beyond it is read."""
    header = _read(LENGTH.size)
    return _read(LENGTH.unpack(header)[0]) if len(header) == LENGTH.size else b""


def _read(count: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < count and (piece := os.read(REQUESTS, count - len(pieces))):
        pieces += piece
    return bytes(pieces)


def _fork(body: Callable[[], int]) -> int:
    """A new process that does this and dies with us; its id."""
    made = os.fork()
    if made:
        return made
    code = 1
    try:
        die_with_parent()
        code = body()
    except BaseException:  # noqa: B902 - nothing may return into the copy of our caller
        _print_traceback()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _print_traceback() -> None:
    import traceback  # only now: every child starts with what is imported here

    traceback.print_exc()


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
