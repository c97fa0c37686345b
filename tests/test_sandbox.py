"""A child ends when it should, takes what it may, and says only what is believed."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import probes
import pytest

from pipeline.errors import ExportError, IntegrityError, LibraryError, SandboxError
from pipeline.host import atomic, child, memory, sandbox, tree
from pipeline.host.sandbox import Child, run
from pipeline.spec import Limits

SOON_S = 5.0  # a wait that is over much earlier unless something hangs


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Path]:
    """Where a child may write, and its log."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return {"scratch": scratch, "log": tmp_path / "child.log"}


def refusal(place: dict[str, Path], name: str, *args: object, **limits: float) -> str:
    """The one line that a call fails with."""
    with pytest.raises(SandboxError) as raised:
        run(name, *args, returns=int, limits=Limits(**limits), **place)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def processes() -> list[int]:
    """Every process below this one."""
    return tree.descendants(os.getpid())


# answers


def test_a_child_answers_what_its_function_returns(place: dict[str, Path]) -> None:
    assert run("probes:add", 1, 2, returns=int, **place) == 3


def test_an_error_of_ours_keeps_its_class_and_loses_what_a_terminal_would_obey(
    place: dict[str, Path],
) -> None:
    with pytest.raises(ExportError) as raised:
        run("probes:raise_error", "one\x1b[2J\ntwo\r", returns=int, **place)

    assert str(raised.value) == "one[2J\ntwo"


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        "{}",
        "7",
        '{"result": "no number"}',
        '{"result": 1, "more": 2}',
        '{"error": "ExportError"}',
        '{"error": 5, "message": "x"}',
        '{"progress": "x"}',
        "[" * 100_000,
        '{"result": 1}\x00',
    ],
)
def test_an_answer_that_is_none_is_refused_in_one_line(place: dict[str, Path], line: str) -> None:
    assert "answered what it should not" in refusal(place, "probes:answer", line)


@pytest.mark.parametrize(
    "name", ["KeyboardInterrupt", "getattr", "Exception", "__doc__", "x" * 999]
)
def test_an_error_class_that_is_none_of_ours_is_not_raised(
    place: dict[str, Path], name: str
) -> None:
    line = json.dumps({"error": name, "message": "says so"})

    said = refusal(place, "probes:answer", line)

    assert said == f"says so; its output is in {place['log']}"


def test_an_answer_without_end_is_cut_off(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_ANSWER_BYTES", 1000)

    assert "answered more than 1000 bytes" in refusal(place, "probes:answer", "x" * 5000)


# which errors would happen again


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such\narchitecture"), "no such architecture (ValueError)"),
        (ValueError("word " * 300), f"{'word ' * 299}word (ValueError)"),
        (KeyError("hidden_size"), "it looks for what is not there: 'hidden_size' (KeyError)"),
        (RuntimeError("Check 'rank == 2' failed"), "Check 'rank == 2' failed (RuntimeError)"),
        (OSError("no file named model.safetensors"), "no file named model.safetensors (OSError)"),
        (AssertionError(), "what it takes for granted does not hold (AssertionError)"),
        (ValueError(), "without a word (ValueError)"),
        (
            probes.PanicException("index out of bounds"),
            "probes refused its input: its native code gave up: index out of bounds (Panic",
        ),
        (
            RuntimeError(
                "Exception from src/core/src/node.cpp:123:\n"
                "Check 'a == b' failed at src/core/shape.cpp:45:\n"
                "While validating node 'opset1::MatMul' with friendly_name 'x':\n"
                "Incompatible MatMul matrix dimension\n\n"
            ),
            "openvino refused its input: Incompatible MatMul matrix dimension (RuntimeError)",
        ),
        (
            ValueError("It holds code: pass the argument `trust_remote_code=True` to run it"),
            "it wants code that came with the model: allow: [remote_code] of the model's entry",
        ),
    ],
)
def test_what_a_library_says_of_its_input_is_refused_with_what_it_means(
    place: dict[str, Path], error: BaseException, line: str
) -> None:
    with pytest.raises(LibraryError) as raised:
        run("probes:fail", error, returns=int, **place)

    assert " refused its input: " in str(raised.value)
    assert line in str(raised.value)
    assert "log" not in str(raised.value)  # a refusal outlives it


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        (
            "json:loads",
            ["{"],
            "Python refused its input: a file is not JSON: Expecting property name",
        ),
        ("numpy:zeros", [-1], "negative dimensions are not allowed (ValueError)"),
        ("probes:fail", [ValueError("x")], "tests/probes.py:"),
        (
            "safetensors.numpy:load",
            [b"x"],
            "safetensors refused its input: a file is not safetensors: Err",
        ),
    ],
)
def test_a_refusal_names_whose_code_refused(
    place: dict[str, Path], name: str, arguments: list[object], line: str
) -> None:
    with pytest.raises(LibraryError) as raised:
        run(name, *arguments, returns=int, **place)

    assert line in str(raised.value)


def test_a_refusal_names_the_files_that_it_is_over(place: dict[str, Path]) -> None:
    with pytest.raises(LibraryError, match=r"^tests/probes.py:\d+ refused vocab.txt: x \(ValueErr"):
        run("probes:fail_over", "vocab.txt", ValueError("x"), returns=int, **place)


def test_a_long_message_is_cut_between_words(place: dict[str, Path]) -> None:
    with pytest.raises(ExportError) as raised:
        run("probes:raise_error", "four " * 1000, returns=int, **place)

    assert str(raised.value).endswith(" four ...")
    assert sandbox.MAX_MESSAGE - 10 < len(str(raised.value)) <= sandbox.MAX_MESSAGE


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
        ConnectionError("reset by peer"),
        TimeoutError("timed out"),
        ImportError("libgomp.so.1: cannot open shared object file"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("basic_ios::clear: iostream error"),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
)
def test_what_the_machine_lacked_is_no_refusal(
    place: dict[str, Path], error: BaseException
) -> None:
    line = refusal(place, "probes:fail", error)

    assert line.endswith(f"its output is in {place['log']}") or "limits.memory_gib" in line


@pytest.mark.parametrize("name", ["probes:import_what_is_not_there", "not_there:at_all"])
def test_a_module_that_is_not_there_is_no_refusal(place: dict[str, Path], name: str) -> None:
    assert "failed over its input: No module named 'not_there' (ModuleNotFoundError); " in refusal(
        place, name
    )


# ends


def test_a_child_that_closes_its_answers_and_lives_on_is_ended(place: dict[str, Path]) -> None:
    started = time.monotonic()

    line = refusal(place, "probes:close_answers_and_live", deadline_s=60)

    assert "closed its answers and went on" in line
    assert time.monotonic() - started < SOON_S


def test_a_child_that_answers_too_late_is_ended(place: dict[str, Path]) -> None:
    started = time.monotonic()

    line = refusal(place, "probes:sleep", 60, deadline_s=0.5)

    assert "no answer within 0.5 s (limits.deadline_s" in line
    assert time.monotonic() - started < SOON_S


def test_a_child_that_takes_no_more_requests_is_ended(place: dict[str, Path]) -> None:
    """A pipe holds 64 KiB: what is longer has to be taken."""
    started = time.monotonic()
    with Child(limits=Limits(deadline_s=0.5), **place) as made:
        caller = threading.Thread(target=lambda: _ignored(made, "probes:swallow_nothing"))
        caller.start()
        time.sleep(0.2)

        with pytest.raises(SandboxError, match="no answer within"):
            made.call("probes:add", *range(1 << 20), returns=int)
        caller.join()

    assert time.monotonic() - started < SOON_S


def _ignored(made: Child, name: str) -> None:
    with pytest.raises(SandboxError):
        made.call(name, returns=int)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGTERM])
def test_a_child_that_dies_is_named_with_its_signal(place: dict[str, Path], by: int) -> None:
    line = refusal(place, "probes:die", int(by))

    assert f"was killed by {signal.Signals(by).name}" in line


@pytest.mark.parametrize("code", [0, 3, child.NO_NAMESPACES, 200, 255])
def test_a_child_that_ends_by_itself_is_named_with_its_code(
    place: dict[str, Path], code: int
) -> None:
    assert f"ended with {code}" in refusal(place, "os:_exit", code)


def test_a_child_that_prints_without_end_is_ended(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refusal(place, "probes:print_for_ever")

    assert f"printed more than {child.MAX_LOG_BYTES} bytes" in line


def test_what_a_child_leaves_behind_in_a_session_of_its_own_ends_with_it(
    place: dict[str, Path],
) -> None:
    heartbeat = place["scratch"] / "heartbeat"
    with Child(**place) as made:
        made.call("probes:leave_a_process", str(heartbeat), returns=type(None))
        first = heartbeat.read_text()
        time.sleep(4 * probes.HEARTBEAT_S)
        assert heartbeat.read_text() != first  # it lives as long as the child does

    last = heartbeat.read_text()
    time.sleep(6 * probes.HEARTBEAT_S)
    assert heartbeat.read_text() == last


def test_a_child_outlives_the_thread_that_started_it(place: dict[str, Path]) -> None:
    made: list[Child] = []
    thread = threading.Thread(target=lambda: made.append(Child(**place)))
    thread.start()
    thread.join()
    time.sleep(0.3)

    with made[0] as started:
        assert started.call("probes:add", 1, 2, returns=int) == 3


def test_children_of_a_thread_pool_work_side_by_side(place: dict[str, Path]) -> None:
    def work(number: int) -> int:
        return run("probes:add", number, returns=int, **place)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(6))) == list(range(6))


def test_a_child_ends_when_the_process_that_wants_it_is_killed(
    place: dict[str, Path], tmp_path: Path
) -> None:
    heartbeat = place["scratch"] / "heartbeat"
    program = (
        "import time\nfrom pathlib import Path\nfrom pipeline.host.sandbox import Child\n"
        f"made = Child(scratch=Path({str(place['scratch'])!r}), log=Path({str(place['log'])!r}))\n"
        f"made.call('probes:leave_a_process', {str(heartbeat)!r}, returns=type(None))\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert parent.stdout
    assert parent.stdout.readline() == "ready\n"

    parent.kill()
    parent.wait()

    time.sleep(1.0)
    last = heartbeat.read_text()
    time.sleep(6 * probes.HEARTBEAT_S)
    assert heartbeat.read_text() == last
    parent.stdout.close()


def test_closing_a_child_leaves_neither_process_nor_home(place: dict[str, Path]) -> None:
    before = len(processes())

    with Child(**place) as made:
        home = Path(made.call("probes:working_folder", returns=str))
        assert home.is_dir()

    assert not home.exists()
    assert len(processes()) <= before


# limits


def test_a_child_takes_no_more_memory_than_it_may(place: dict[str, Path]) -> None:
    line = refusal(place, "probes:take_memory", 1.0, memory_gib=0.25)

    assert "out of memory: it may take 0.25 GiB (limits.memory_gib" in line


def test_the_cap_on_memory_holds_for_a_child_and_all_that_it_starts(
    place: dict[str, Path],
) -> None:
    line = refusal(place, "probes:take_memory_in_processes", 0.6, 3, memory_gib=0.4)

    assert "took more than 0.4 GiB (limits.memory_gib" in line


def test_the_cap_is_watched_where_there_are_no_control_groups(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The child is told so by a sitecustomize: here root may make groups, elsewhere nobody can."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if sys.flags.safe_path:\n"
        "    from pipeline.host import memory\n"
        "    memory.Group.create = lambda cap: print('no group', file=sys.stderr)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    line = refusal(place, "probes:take_memory_in_processes", 0.6, 3, memory_gib=0.4)

    assert "no group" in place["log"].read_text()
    assert "took more than 0.4 GiB (limits.memory_gib" in line


def test_by_default_a_child_may_take_most_of_what_the_machine_has() -> None:
    cap = sandbox.memory_cap_bytes(Limits())

    assert 0.8 * memory.available_bytes() < cap < memory.available_bytes()
    assert sandbox.memory_cap_bytes(Limits(memory_gib=1.5)) == 3 << 29


def test_a_control_group_that_a_killed_keeper_left_is_swept() -> None:
    left = memory.Group.create(1 << 30)
    if left is None:
        pytest.skip("no control group can be made here")
    folder = left._folder.rename(left._folder.with_name("ovpipe-0"))

    made = memory.Group.create(1 << 30)

    assert made
    assert not folder.exists()
    made.remove()


# the environment


def test_a_child_sees_no_variable_that_is_not_allowed(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    private = {
        "MY_PAT": "x", "DATABASE_URL": "x", "SSH_AUTH_SOCK": "x", "HF_TOKEN": "x",
        "AWS_PROFILE": "x", "OMP_NUM_THREADS": "1", "KMP_AFFINITY": "none", "HF_HUB_OFFLINE": "0",
        "ONEDNN_MAX_CPU_ISA": "SSE41", "HF_HOME": "/x", "PYTHONSTARTUP": "/x", "HTTPS_PROXY": "x",
        # What would make one side of a benchmark slower or faster than the other.
        "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive",
        "DNNL_MAX_CPU_ISA": "SSE41", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "OV_CPU_DEBUG": "x", "ATEN_CPU_CAPABILITY": "default", "TORCHINDUCTOR_FREEZING": "1",
        "MALLOC_ARENA_MAX": "1", "LD_PRELOAD": "",
    }  # fmt: skip
    for name, text in private.items():
        monkeypatch.setenv(name, text)

    seen = run("probes:environment", returns=dict[str, str], **place)

    assert {name: seen.get(name) for name in private} == {
        **dict.fromkeys(private),
        "HF_HUB_OFFLINE": "1",
    }
    assert Path(seen["HOME"]).is_relative_to(place["scratch"])
    assert Path(seen["TMPDIR"]).is_relative_to(place["scratch"])


def test_a_child_sees_what_its_task_names_and_what_is_set_for_it(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "for the hub")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    seen = run(
        "probes:environment",
        returns=dict[str, str],
        access=sandbox.Access(environment=("HF_TOKEN",)),
        env={"ONEDNN_MAX_CPU_ISA": "AVX2"},
        **place,
    )

    assert (seen["HF_TOKEN"], seen["ONEDNN_MAX_CPU_ISA"]) == ("for the hub", "AVX2")
    assert "OMP_NUM_THREADS" not in seen


def test_a_hub_is_offline_to_those_alone_who_have_no_network(
    place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    told = [
        run("probes:environment", returns=dict[str, str], access=sandbox.Access(network=n), **place)
        for n in (False, True)
    ]

    assert [seen["HF_HUB_OFFLINE"] for seen in told] == ["1", "0"]


def test_relative_paths_lead_nowhere_in_a_child(place: dict[str, Path]) -> None:
    folder = Path(run("probes:working_folder", returns=str, **place))

    assert folder.is_relative_to(place["scratch"])


# what a child leaves


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_neither_file_nor_folder_is_not_published(tmp_path: Path, kind: str) -> None:
    """A pipe would block whoever opens it, a link lead elsewhere."""
    built = tmp_path / "built"
    built.mkdir()
    if kind == "pipe":
        os.mkfifo(built / "file")
    else:
        (built / "file").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(IntegrityError, match="want regular files and folders only"):
        atomic.publish(built, tmp_path / "target")

    assert not (tmp_path / "target").exists()
