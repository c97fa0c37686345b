"""A child process for everything that parses what came from outside.

Some inputs crash or hang the native libraries, and no `except` catches that; others try to read
this machine. So that happens in a process with a deadline, a memory cap, few variables of the
environment and walls around it (walls.py), which ends with all that it started when it is closed or
when this process dies. It gets its arguments pickled from here, the trusted side, and answers in
JSON that is held against a type. It has no terminal: its output goes to a log, and its progress is
shown by us.
"""

import os
import pickle
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline import errors, kinds
from pipeline.errors import CrashError, PipelineError, SandboxError
from pipeline.host import child, memory, progress, reasons, walls
from pipeline.host.walls import Access
from pipeline.spec import Limits

T = TypeVar("T")

MAX_ANSWER_BYTES = 64 << 20
MAX_MESSAGE = 4000
UNCONFINED = "OVPIPE_UNCONFINED"

_PASSED = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
_PASSED_TO_NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_SET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_SHARE_OF_MEMORY = 7 / 8
# What the kernel, or the C library, sends to who does what cannot be done.
_CRASHES = (signal.SIGSEGV, signal.SIGFPE, signal.SIGILL, signal.SIGBUS, signal.SIGABRT)
_DYING_S = 1.0  # from the end of the answers to that of the process
_CLOSING_S = 10.0
_PIECE = 1 << 16


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Walls(_Line):
    walls: tuple[str, ...]


class _Result(_Line, Generic[T]):
    result: T


class _Progress(_Line):
    progress: progress.Told


class _Failure(_Line):
    error: str
    message: str


class Child:
    """A child process, and the walls that hold around it.

    Args:
        scratch: an existing folder that it may write to; its HOME and TMPDIR lie in it.
        log: file that its output is appended to.
        access: what else it may reach.
        limits: seconds of each call, and memory of the child and all that it starts.
        env: environment variables to set on top of the allowed ones.
        cwd: its working folder; by default its home, so that relative paths lead nowhere.
        foreign: whether it runs code that came with a model: then it stands behind walls or does
            not start, unless OVPIPE_UNCONFINED=1, which takes them away.

    Attributes:
        walls: those that hold, as `landlock 7`, `seccomp`, `namespaces`.

    Raises:
        SandboxError: it cannot be started; foreign code wants walls that cannot be had here.
    """

    def __init__(
        self,
        *,
        scratch: Path,
        log: Path,
        access: Access | None = None,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        foreign: bool = False,
    ) -> None:
        limits = limits or Limits()
        self._log, self._deadline_s = log, limits.deadline_s
        self._memory_bytes = memory_cap_bytes(limits)
        self._received, self._started = bytearray(), False
        log.parent.mkdir(parents=True, exist_ok=True)
        self._cwd = cwd
        self._home = Path(tempfile.mkdtemp(prefix="home-", dir=scratch.absolute()))
        unconfined = foreign and os.environ.get(UNCONFINED) == "1"
        access = None if unconfined else _with_scratch(access or Access(), scratch.absolute())
        try:
            held = self._start(access, env or {}, namespaces=True)
            if held is None:
                held = self._start(access, env or {}, namespaces=False)
            if held is None:
                raise SandboxError(f"a child process does not start; its output is in {log}")
            if foreign and not unconfined and not walls.suffice(held):
                raise SandboxError(
                    "code that comes with a model runs only behind Landlock (ABI 6, or with user "
                    f"namespaces) and seccomp: have {list(held)}; {UNCONFINED}=1 runs it without"
                )
        except BaseException:
            self.close()
            raise
        self._started = True
        self.walls = (f"none: {UNCONFINED}=1",) if unconfined else held

    def call(self, name: str, *args: object, returns: type[T]) -> T:
        """What a function of the child returns.

        Args:
            name: `module:function`; after `module:Class`, which makes an object, its methods.
            *args: what it is called with.
            returns: what the answer must be, of JSON types, or a Record.

        Raises:
            SandboxError: it failed, ran over its deadline or its memory, or answered nonsense.
            PipelineError: of the class that the child's code raised.
        """
        deadline = time.monotonic() + self._deadline_s
        with progress.bar(None, "") as shown:
            self._send((name, args), deadline, name)
            answers: TypeAdapter[Any] = TypeAdapter(_Result[returns] | _Progress | _Failure)  # type: ignore[valid-type, arg-type]
            while True:
                said = self._hear(answers, deadline, name)
                if isinstance(said, _Result):
                    result: T = said.result
                    return result
                if isinstance(said, _Failure):
                    raise _raised(said, self._log)
                if isinstance(said, _Progress):
                    shown.show(*said.progress)

    def close(self) -> None:
        """End the child and everything it started, and its home."""
        process: subprocess.Popen[bytes] | None = getattr(self, "_process", None)
        if process:
            if process.stdin:
                process.stdin.close()  # which is what its keeper waits for
            try:
                process.wait(_CLOSING_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(self._answers)
            del self._process
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(
        self, access: Access | None, env: Mapping[str, str], *, namespaces: bool
    ) -> tuple[str, ...] | None:
        """Start the processes; the walls that hold, or None if namespaces were half there."""
        self._answers, theirs = os.pipe()
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-c", "from pipeline.host import child; child.main()"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[theirs],
                cwd=self._cwd or self._home,
                env=_environment(self._home, access, env),
                start_new_session=True,
            )
        os.close(theirs)
        if self._process.stdin:
            os.set_blocking(self._process.stdin.fileno(), False)
        code = walls.code_folders()
        setup = child.Setup(theirs, access, code, self._memory_bytes, namespaces)
        deadline = time.monotonic() + self._deadline_s
        self._send(setup, deadline, "start")
        try:
            said = self._hear(TypeAdapter(_Walls), deadline, "start")
        except _HalfNamespacesError:
            self._process.communicate()
            os.close(self._answers)
            return None
        return said.walls

    def _send(self, request: object, deadline: float, name: str) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise SandboxError(f"{name}: child has no input")
        message = pickle.dumps(request)
        left = memoryview(child.LENGTH.pack(len(message)) + message)
        while left:
            if not select.select([], [stdin], [], max(deadline - time.monotonic(), 0))[1]:
                raise self._late(name)
            try:
                left = left[os.write(stdin.fileno(), left[:_PIECE]) :]
            except BrokenPipeError as e:
                raise self._ended(name) from e

    def _hear(self, answers: "TypeAdapter[T]", deadline: float, name: str) -> T:
        """The next line of the child."""
        try:
            return answers.validate_json(self._read_line(deadline, name))
        except ValidationError as e:
            problem = e.errors(include_url=False, include_input=False, include_context=False)[-1]
            raise SandboxError(
                f"{name}: answered what it should not ({reasons.shortened(problem['msg'], 200)}); "
                f"its output is in {self._log}"
            ) from e

    def _read_line(self, deadline: float, name: str) -> bytes:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > MAX_ANSWER_BYTES:
                break
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise self._late(name)
            piece = os.read(self._answers, _PIECE)
            if not piece:
                raise self._ended(name)
            self._received += piece
        if not 0 <= end <= MAX_ANSWER_BYTES:
            raise SandboxError(f"{name}: answered more than {MAX_ANSWER_BYTES} bytes")
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _late(self, name: str) -> SandboxError:
        return SandboxError(
            f"{name}: no answer within {self._deadline_s:g} s (limits.deadline_s of the model); "
            f"its output is in {self._log}"
        )

    def _ended(self, name: str) -> SandboxError:
        """Why there are no more answers."""
        kind: type[SandboxError] = SandboxError
        try:
            code = self._process.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            how = "closed its answers and went on"
        else:
            if code == child.NO_NAMESPACES and not self._started:
                return _HalfNamespacesError("namespaces are half there")
            how = _how(code, self._memory_bytes)
            kind = CrashError if code - 128 in _CRASHES else SandboxError
        return kind(f"{name}: its process {how}; its output is in {self._log}")


class _HalfNamespacesError(SandboxError):
    """Namespaces are neither there nor not: try without."""


def run(
    target: str,
    *args: object,
    returns: type[T],
    scratch: Path,
    log: Path,
    access: Access | None = None,
    limits: Limits | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> T:
    """What `target(*args)` returns in a child of its own; arguments and errors as of `Child`."""
    with Child(scratch=scratch, log=log, access=access, limits=limits, env=env, cwd=cwd) as made:
        return made.call(target, *args, returns=returns)


def memory_cap_bytes(limits: Limits) -> int:
    """What a child may take: what its model's entry says, else most of what there is."""
    if limits.memory_gib is not None:
        return int(limits.memory_gib * 2**30)
    return int(memory.available_bytes() * _SHARE_OF_MEMORY)


def _with_scratch(access: Access, scratch: Path) -> Access:
    return access._replace(writes=(scratch, *access.writes))


def _environment(home: Path, access: Access | None, extra: Mapping[str, str]) -> dict[str, str]:
    """What the child sees of the environment, and what is set for it."""
    network = access is not None and access.network
    passed = (
        *_PASSED,
        *(_PASSED_TO_NETWORK if network else ()),
        *(access.environment if access else ()),
    )
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
    return {
        **_SET,
        "HF_HUB_OFFLINE": str(int(not network)),
        **{name: os.environ[name] for name in passed if name in os.environ},
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": path,
        # Said even if there are none: in a child's working folder somebody else's may lie.
        kinds.VARIABLE: str(kinds.root() or ""),
        **extra,
    }


def _raised(said: _Failure, log: Path) -> PipelineError:
    """The error of the child's code, of one of our classes and fit for a terminal.

    Of a refusal, which outlives the log, whoever shows it says where the log is.
    """
    kind = getattr(errors, said.error, None)
    if not (isinstance(kind, type) and issubclass(kind, PipelineError)):
        kind = SandboxError
    lines = ("".join(c for c in line if c.isprintable()) for line in said.message.split("\n"))
    message = reasons.shortened("\n".join(lines), MAX_MESSAGE)
    return kind(f"{message}; its output is in {log}" if kind is SandboxError else message)


def _how(code: int, memory_bytes: int) -> str:
    """How a child came to its end, by the exit code of its keeper."""
    if code == child.OVER_MEMORY:
        return f"took more than {memory_bytes / 2**30:.3g} GiB (limits.memory_gib of the model)"
    if code == child.OVER_LOG:
        return f"printed more than {child.MAX_LOG_BYTES} bytes"
    if code == child.OVER_PROCESSES:
        return f"started more than {child.MAX_PROCESSES} processes"
    if code - 128 in {*signal.Signals}:
        cap = f"memory cap {memory_bytes / 2**30:.3g} GiB"
        return f"was killed by {signal.Signals(code - 128).name} ({cap})"
    return f"ended with {code}"
