"""What foreign code could try from a child process; each does it, or raises.

`attempt` says which could; run in a child of ours, or in a plain process to show that the same
attempt works where nothing holds it.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
HEARTBEAT_S = 0.05


def read_file(target: dict[str, Any]) -> None:
    assert Path(target["secret"]).read_text() == "secret"


def read_through_a_link(target: dict[str, Any]) -> None:
    link = Path.cwd() / f"link-{os.getpid()}"
    link.symlink_to(target["secret"])
    assert link.read_text() == "secret"


def list_folder(target: dict[str, Any]) -> None:
    assert os.listdir(Path(target["secret"]).parent)


def overwrite_file(target: dict[str, Any]) -> None:
    Path(target["mine"]).write_text("changed")


def make_file(target: dict[str, Any]) -> None:
    Path(target["mine"]).with_name(f"new-{os.getpid()}").write_text("new")


def empty_file(target: dict[str, Any]) -> None:
    os.truncate(target["mine"], 0)


def change_mode(target: dict[str, Any]) -> None:
    os.chmod(target["mine"], 0o640)
    assert os.stat(target["mine"]).st_mode & 0o777 == 0o640, "it stayed"


def change_times(target: dict[str, Any]) -> None:
    os.utime(target["mine"], (1, 1))
    assert os.stat(target["mine"]).st_mtime == 1, "it stayed"


def connect(target: dict[str, Any]) -> None:
    socket.create_connection(("127.0.0.1", target["port"]), timeout=5).close()


def send_datagram(target: dict[str, Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", target["port"]))


def connect_to_a_unix_socket(target: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(target["unix"])


def signal_another(target: dict[str, Any]) -> None:
    os.kill(target["pid"], 0)  # only asks whether it may


def read_environment_of_another(target: dict[str, Any]) -> None:
    assert b"=" in Path(f"/proc/{target['pid']}/environ").read_bytes()


def read_memory_of_another(target: dict[str, Any]) -> None:
    """Asks for access without reading: kcmp(2) wants what ptrace(2) wants."""
    _call(312, os.getpid(), target["pid"], 1, 0, 0)


def limit_another(target: dict[str, Any]) -> None:
    resource.prlimit(target["pid"], resource.RLIMIT_CORE)


def slow_another(target: dict[str, Any]) -> None:
    priority = os.getpriority(os.PRIO_PROCESS, target["pid"])
    os.setpriority(os.PRIO_PROCESS, target["pid"], priority)


def make_namespaces(target: dict[str, Any]) -> None:
    made = os.fork()
    if made == 0:
        os._exit(0 if LIBC.unshare(0x10000000) == 0 else 1)
    assert os.waitpid(made, 0)[1] == 0


def share_memory(target: dict[str, Any]) -> None:
    """System V: it outlives the process, and others of the same user can read it."""
    segment = _call(29, 0, 4096, 0o600)
    _call(31, segment, 0, 0)  # IPC_RMID


def start_a_ring(target: dict[str, Any]) -> None:
    """io_uring makes calls that no filter sees."""
    os.close(_call(425, 4, ctypes.create_string_buffer(120)))


def name_no_file(target: dict[str, Any]) -> None:
    """Memory of a file without a name counts as nobody's."""
    os.close(os.memfd_create("x"))


def run_a_shell(target: dict[str, Any]) -> None:
    subprocess.run(["/bin/sh", "-c", "true"], check=True)


PROBES: dict[str, Callable[[dict[str, Any]], None]] = {
    probe.__name__: probe
    for probe in (
        read_file, read_through_a_link, list_folder, overwrite_file, make_file, empty_file,
        change_mode, change_times, connect, send_datagram, connect_to_a_unix_socket,
        signal_another, read_environment_of_another, read_memory_of_another, limit_another,
        slow_another, make_namespaces, share_memory, start_a_ring, name_no_file, run_a_shell,
    )
}  # fmt: skip


def attempt(target: dict[str, Any]) -> dict[str, str]:
    """Each probe, and how it ended: `done`, or the error."""
    return {name: _ended(probe, target) for name, probe in PROBES.items()}


def environment() -> dict[str, str]:
    """What this process sees of the environment."""
    return dict(os.environ)


def _ended(probe: Callable[[dict[str, Any]], None], target: dict[str, Any]) -> str:
    try:
        probe(target)
    except Exception as e:
        return f"{type(e).__name__}: {e}"
    return "done"


def _call(number: int, *args: Any) -> int:
    longs = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result = int(LIBC.syscall(ctypes.c_long(number), *longs))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# What parsers give of a folder's configurations, without any view of it.


def vocabulary(folder: str) -> list[str]:
    """The tokens of a tokenizer."""
    from transformers import AutoTokenizer

    return sorted(AutoTokenizer.from_pretrained(folder, local_files_only=True).get_vocab())


def weights(folder: str) -> list[str]:
    """The tensors of a checkpoint."""
    from transformers import AutoModel

    return sorted(AutoModel.from_pretrained(folder, local_files_only=True).state_dict())


# What a child does that hangs, dies or lies.


def leave_a_process(heartbeat: str) -> None:
    """Twice forked and in a session of its own, it writes to a file again and again."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.close(fd)
            while True:
                Path(heartbeat).write_text(str(time.monotonic()))
                time.sleep(HEARTBEAT_S)
        os._exit(0)
    time.sleep(5 * HEARTBEAT_S)


def close_answers_and_live() -> None:
    for fd in range(3, 64):
        if fd != sys.stderr.fileno():
            _close(fd)
    time.sleep(60)


def answer(line: str) -> None:
    """Write to the answers what is no answer of ours, on every descriptor that could be it."""
    for fd in range(3, 64):
        try:
            os.write(fd, line.encode() + b"\n")
        except OSError:
            continue
    time.sleep(60)


def die(by: int) -> None:
    signal.signal(by, signal.SIG_DFL) if by != signal.SIGKILL else None
    os.kill(os.getpid(), by)


def take_memory(gib: float, *, in_processes: int = 1) -> int:
    """Take that much, shared out among processes that stay; the bytes that this one took."""
    for _ in range(in_processes - 1):
        if os.fork() == 0:
            _hold(gib / in_processes)
            time.sleep(60)
    _hold(gib / in_processes)
    time.sleep(60 if in_processes > 1 else 0)
    return 1


def take_memory_in_processes(gib: float, count: int) -> int:
    return take_memory(gib, in_processes=count)


def print_for_ever() -> None:
    while True:
        print("x" * (1 << 20))


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def swallow_nothing() -> None:
    """Read no more requests."""
    time.sleep(60)


def make_a_pipe(path: str) -> None:
    os.mkfifo(path)


def raise_error(message: str) -> None:
    from pipeline.errors import ExportError

    raise ExportError(message)


class PanicException(BaseException):  # noqa: N818 - as Rust's own is called, which is no Exception
    """What a library of Rust raises where it panics."""


def fail(error: BaseException) -> None:
    raise error


def fail_over(files: str, error: BaseException) -> None:
    from pipeline.host.reasons import over

    with over(files):
        raise error


def import_what_is_not_there() -> None:
    importlib.import_module("not_there")  # unseen by transformers, which reads this file


def working_folder() -> str:
    return os.getcwd()


def count_to(number: int) -> None:
    """Take 0.3 s for each, and say so."""
    from pipeline.host.progress import track

    time.sleep(0.3)
    for _ in track(range(number), number, "counting"):
        time.sleep(0.3)


def add(*numbers: int) -> int:
    return sum(numbers)


_held: list[bytearray] = []


def _hold(gib: float) -> None:
    block = bytearray(int(gib * 2**30))
    block[::4096] = b"x" * len(block[::4096])
    _held.append(block)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        return


if __name__ == "__main__":
    print(json.dumps(attempt(json.loads(sys.argv[1]))))
