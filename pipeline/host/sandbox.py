"""A child process with a deadline and a memory cap, for everything that native code may ruin.

Some inputs crash or hang the native libraries, and no `except` catches that. The child dies with
its parent, gets its arguments pickled from the parent (the trusted side) and answers in JSON, so
that nothing it was fed can reach the parent but text. Its output goes to a log; only progress bars
reach the terminal.
"""

import contextlib
import importlib
import json
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from pipeline import errors
from pipeline.errors import PipelineError, SandboxError
from pipeline.host.lifetime import die_with_parent

MAX_ANSWER_BYTES = 64 << 20
_SECRET = ("TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "API_KEY")


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds of wall time per call, and bytes of private memory."""

    deadline_s: float = 3600.0
    memory_bytes: int = 16 << 30


class Child:
    """A child process holding one object; `call` calls its methods.

    Args:
        target: `module:name` of what is called with `args` in the child.
        log: file that the child's output is appended to.
        env: environment variables to set on top of this process's own, secrets excepted.
        secrets: whether the child may see tokens that the environment holds.

    Raises:
        SandboxError: the child failed, ran over its deadline or its memory.
        PipelineError: of the class that the child's code raised.
    """

    def __init__(
        self,
        target: str,
        *args: object,
        log: Path,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
        secrets: bool = False,
    ) -> None:
        self._target, self._log, self._limits = target, log, limits or Limits()
        log.parent.mkdir(parents=True, exist_ok=True)
        answers, child_answers = os.pipe()
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    sys.executable,
                    "-m",
                    "pipeline.host.sandbox",
                    str(child_answers),
                    str(_terminal()),
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[child_answers, _terminal()],
                env=_environment(env or {}, secrets),
                process_group=0,
            )
        os.close(child_answers)
        self._answers = answers
        try:
            self.result = self._ask((target, args, self._limits.memory_bytes))
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *args: object) -> Any:
        """What the object's method returns, as JSON types."""
        return self._ask((method, args, None))

    def close(self) -> None:
        """End the child and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: object) -> Any:
        stdin = self._process.stdin
        if stdin is None:
            raise SandboxError(f"{self._target}: child has no input")
        message = pickle.dumps(request)
        try:
            stdin.write(struct.pack("<Q", len(message)) + message)
            stdin.flush()
        except BrokenPipeError as e:
            raise self._died() from e
        answer = json.loads(self._read_line())
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["message"])
        return answer["result"]

    def _read_line(self) -> bytes:
        deadline = time.monotonic() + self._limits.deadline_s
        line = bytearray()
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise SandboxError(
                    f"{self._target}: no answer within {self._limits.deadline_s:g} s; "
                    f"its output is in {self._log}"
                )
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                raise self._died()
            line += piece
            if len(line) > MAX_ANSWER_BYTES:
                raise SandboxError(f"{self._target}: answered more than {MAX_ANSWER_BYTES} bytes")
        return bytes(line)

    def _died(self) -> SandboxError:
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        cap_gib = self._limits.memory_bytes / 2**30
        return SandboxError(
            f"{self._target}: its process {how} (memory cap {cap_gib:g} GiB); "
            f"its output is in {self._log}"
        )


def run(
    target: str,
    *args: object,
    log: Path,
    limits: Limits | None = None,
    env: Mapping[str, str] | None = None,
    secrets: bool = False,
) -> Any:
    """What `target(*args)` returns in a child of its own; arguments and errors as of `Child`."""
    with Child(target, *args, log=log, limits=limits, env=env, secrets=secrets) as child:
        return child.result


def _environment(extra: Mapping[str, str], secrets: bool) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if secrets or not any(word in name.upper() for word in _SECRET)
    }
    return {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **kept, **extra}


def _terminal() -> int:
    """The file descriptor of the terminal, whoever's child this is."""
    return int(os.environ.get("OVPIPE_TERMINAL_FD", "2"))


def _serve(answers: IO[str], requests: IO[bytes]) -> None:
    """In the child: answer requests until the parent is gone."""
    import resource  # not on Windows, where this module can be imported and nothing more

    subject: Any = None
    while header := requests.read(8):
        name, args, memory_bytes = pickle.loads(  # noqa: S301 - written by our own parent
            requests.read(struct.unpack("<Q", header)[0])
        )
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        try:
            subject, result = _call(subject, name, args)
            answer = {"result": result}
        except PipelineError as e:
            answer = {"error": type(e).__name__, "message": str(e)}
        except MemoryError:
            answer = {"error": "SandboxError", "message": f"{name}: out of memory"}
        except BaseException as e:  # noqa: B902 - PanicException of Rust code is no Exception
            traceback.print_exc()
            lines = str(e).strip().splitlines() or ["no message"]
            answer = {"error": "SandboxError", "message": f"{type(e).__name__}: {lines[0][:500]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _call(subject: Any, name: str, args: tuple[object, ...]) -> tuple[Any, Any]:
    if subject is not None:
        return subject, getattr(subject, name)(*args)
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    result = function(*args)
    return (result, None) if isinstance(function, type) else (subject, result)


if __name__ == "__main__":
    die_with_parent()
    os.environ["OVPIPE_TERMINAL_FD"] = sys.argv[2]
    with os.fdopen(int(sys.argv[1]), "w") as pipe:
        _serve(pipe, sys.stdin.buffer)
