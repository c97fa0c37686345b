"""Pulling: the right bytes or nothing, whoever gives them, and what was verified is not lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from archives import blocks_of, car_of, car_with, content_of
from click.testing import CliRunner, Result
from faulty import Fault, Faulty, Request

from pipeline import cli, kinds, manifest
from pipeline.errors import SpecError, TransferError
from pipeline.ipfs import unixfs
from pipeline.ipfs.cid import RAW, Cid
from pipeline.ipfs.gateway import remote
from pipeline.ipfs.unixfs import PROFILES, Dag
from pipeline.layout import Layout
from pipeline.spec import Model
from pipeline.steps.fetch import fetch

CARS = Path(__file__).parent / "data" / "ipfs" / "car"
DEADLINE_S = 0.7
SLACK_S = 5.0  # of a busy machine; a deadline that is not kept takes 30 seconds or for ever


@pytest.fixture
def server() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dag() -> Dag:
    """A folder of 13 blocks, 9 of them leaves of one file."""
    for name, size in (("config.json", 20), ("sub/a/deep.txt", 5), ("weights.bin", 9 << 20)):
        path = Path("model") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content_of(name, size))
    Path("model/empty").mkdir()
    return unixfs.import_path(Path("model"))


def pull(dag: Dag, *sources: str, deadline_s: float = 20.0, out: str = "pulled") -> Result:
    given = [word for source in sources for word in ("--from", source)]
    options = ["-o", out, "--deadline", str(deadline_s), *given]
    return CliRunner().invoke(cli.main, ["pull", str(dag.root), *options])


def fetched_bytes(dag: Dag, source: str) -> int:
    """Pull again, and say how much came from the server."""
    command = ["pull", str(dag.root), "-o", "pulled", "--from", source, "--json"]
    done = CliRunner().invoke(cli.main, command)
    assert done.exit_code == 0, done.output
    return int(json.loads(done.stdout)["fetched_bytes"])


def block_cid(block: bytes) -> Cid:
    return Cid(1, RAW, sha256(block).digest())


def digest_of(request: Request) -> str:
    """The sha2-256 of the block or CAR that was asked for."""
    found = re.search(r"(?:arg=|/ipfs/)(\w+)", request.path)
    assert found
    return Cid.parse(found[1]).digest.hex()


def refusal(done: Result) -> str:
    """The one line at the end of a command that failed."""
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    *notes, last = done.stderr.splitlines()
    assert last.startswith("error: ")
    assert not any(note.startswith("error: ") for note in notes)
    assert done.stderr.replace("\n", "").isprintable()
    return last


def is_whole(dag: Dag, out: str = "pulled") -> bool:
    """Whether it is there, and nothing else is left beside it."""
    beside = {path.name for path in Path.cwd().iterdir() if path.name.startswith((".", out))}
    return unixfs.import_path(Path(out), dag.profile).root == dag.root and beside == {out}


# Where blocks come from


@pytest.mark.parametrize(
    ("prefix", "car_route", "block_route"),
    [("", "ipfs/car", "ipfs/raw"), ("kubo:", "dag/export", "block/get")],
)
@pytest.mark.parametrize("has_cars", [True, False])
def test_a_server_gives_all_in_one_car_or_block_by_block(
    prefix: str, car_route: str, block_route: str, has_cars: bool, dag: Dag, server: Faulty
) -> None:
    server.add(car_of(dag))
    if not has_cars:
        server.faults[car_route] = 405

    done = pull(dag, prefix + server.url)

    assert (done.exit_code, done.stdout) == (0, f"pulled is {dag.root}\n"), done.output
    assert is_whole(dag)
    assert server.asked(car_route) == 1
    assert server.asked(block_route) == (0 if has_cars else dag.block_count)


def test_a_gateway_is_asked_for_what_is_trustless(dag: Dag, server: Faulty) -> None:
    server.add(car_of(dag))
    server.faults["ipfs/car"] = 404

    pull(dag, server.url)
    wants_car, wants_block = server.requests[:2]

    assert wants_car.path == f"/ipfs/{dag.root}?format=car"
    assert wants_car.headers["accept"].startswith("application/vnd.ipld.car; version=1")
    assert wants_block.path == f"/ipfs/{dag.root}?format=raw"
    assert wants_block.headers["accept"] == "application/vnd.ipld.raw"


def test_a_sharded_folder_comes_in_one_car_too(server: Faulty) -> None:
    Path("model").mkdir()
    for i in range(60):
        Path(f"model/{i}").write_bytes(content_of(i, 100))
    small = replace(PROFILES["unixfs-v1-2025"], hamt_threshold_bytes=500, chunk_bytes=64)
    dag = unixfs.import_path(Path("model"), small)
    server.add(car_of(dag))

    done = pull(dag, server.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1])
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_single_file_is_pulled_as_a_file(size: int, profile: str, server: Faulty) -> None:
    Path("file").write_bytes(content_of(size, size))
    dag = unixfs.import_path(Path("file"), profile)
    server.add(car_of(dag))

    done = pull(dag, server.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)


def test_a_car_on_disk_needs_no_server(dag: Dag) -> None:
    Path("model.car").write_bytes(car_of(dag))

    done = pull(dag, "model.car")

    assert done.exit_code == 0, done.output
    assert is_whole(dag)


def test_what_cars_on_disk_lack_is_asked_of_servers(dag: Dag, server: Faulty) -> None:
    blocks = blocks_of(dag)
    Path("first.car").write_bytes(car_with(dag.root, blocks[:7]))
    Path("last.car").write_bytes(car_with(dag.root, blocks[9:]))
    server.add(car_of(dag))

    done = pull(dag, server.url, "first.car", "last.car")

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    missing = [cid.digest.hex() for cid, _ in blocks[7:9]]
    assert [digest_of(request) for request in server.requests] == missing


def test_the_missing_block_of_a_car_is_named(dag: Dag) -> None:
    *most, (last, _) = blocks_of(dag)
    Path("model.car").write_bytes(car_with(dag.root, most))

    message = refusal(pull(dag, "model.car"))

    assert message == f"error: block {last} is missing"
    assert sorted(os.listdir()) == ["model", "model.car"]


def test_a_damaged_car_on_disk_is_refused_even_beside_a_good_server(
    dag: Dag, server: Faulty
) -> None:
    archive = car_of(dag)
    Path("model.car").write_bytes(archive[:-1] + bytes((archive[-1] ^ 1,)))
    server.add(archive)

    message = refusal(pull(dag, server.url, "model.car"))

    assert "bytes are damaged" in message
    assert sorted(os.listdir()) == ["model", "model.car"]


def test_gateways_of_the_environment_are_asked_if_none_is_named(
    dag: Dag, server: Faulty, other: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.add(car_of(dag))
    monkeypatch.setenv("OVPIPE_GATEWAYS", f"{server.url}/, kubo:{other.url}")

    done = pull(dag)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert server.requests[0].path.startswith("/ipfs/bafy")
    assert other.asked("dag/export") == 1


# Several servers


def test_a_gateway_that_lies_is_not_asked_again(dag: Dag, server: Faulty, other: Faulty) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": 404, "ipfs/raw": Fault.WRONG_BLOCK}
    other.add(car_of(dag))
    other.faults = {"ipfs/car": 404}

    done = pull(dag, server.url, other.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert (server.asked("ipfs/raw"), other.asked("ipfs/raw")) == (1, dag.block_count)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{server.url}: block {dag.root} has the sha2-256 ")


def test_two_gateways_that_have_half_of_it_each_are_enough(
    dag: Dag, server: Faulty, other: Faulty
) -> None:
    for i, (cid, block) in enumerate(blocks_of(dag)):
        (server, other)[i % 2].blocks[cid.digest] = block

    done = pull(dag, server.url, other.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)


def test_a_car_that_is_cut_off_goes_on_with_the_blocks_of_the_next_gateway(
    dag: Dag, server: Faulty, other: Faulty
) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.TRUNCATED}
    other.add(car_of(dag))

    done = pull(dag, server.url, other.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert [request.route for request in server.requests] == ["ipfs/car"]
    assert 0 < other.asked("ipfs/raw") < dag.block_count / 2 + 1
    assert other.asked("ipfs/car") == 0


def test_the_last_line_names_the_reason_of_every_server(
    dag: Dag, server: Faulty, other: Faulty
) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.GARBAGE, "ipfs/raw": Fault.GARBAGE}

    message = refusal(pull(dag, server.url, f"kubo:{other.url}", deadline_s=DEADLINE_S))

    assert f"block {dag.root} cannot be had: " in message
    assert f"{server.url}: block {dag.root} has the sha2-256 " in message
    assert f"kubo:{other.url}: HTTP 500" in message


# Faults


@pytest.mark.parametrize(
    ("prefix", "car_route", "block_route"),
    [("", "ipfs/car", "ipfs/raw"), ("", "", "ipfs/raw"), ("kubo:", "dag/export", "block/get")],
    ids=["gateway", "gateway-without-cars", "kubo"],
)
@pytest.mark.parametrize(
    "fault",
    [
        Fault.WRONG_BLOCK,
        Fault.TRUNCATED,
        Fault.STALLED,
        Fault.ENDLESS,
        Fault.DRIPPING,
        Fault.GARBAGE,
        Fault.REDIRECT,
        Fault.SILENT,
        Fault.DIES,
        503,
    ],
)
def test_a_fault_ends_in_one_line_within_the_deadline_and_the_next_try_goes_on(
    prefix: str,
    car_route: str,
    block_route: str,
    fault: Fault | int,
    dag: Dag,
    server: Faulty,
) -> None:
    blocks = blocks_of(dag)
    server.add(car_with(dag.root, blocks if car_route else ()))
    server.faults = {"ipfs/car": 404, car_route: fault, block_route: fault}
    if fault is Fault.ENDLESS:
        server.cars[str(dag.root)] = car_with(dag.root, blocks[:4])

    started = time.monotonic()
    failed = pull(dag, prefix + server.url, deadline_s=DEADLINE_S)
    seconds = time.monotonic() - started
    left = sorted(os.listdir())
    kept = {path.name: path.stat().st_size for path in Path("pulled.partial").glob("blocks/*")}
    server.faults, server.requests = {}, []
    server.add(car_of(dag))
    fetched = fetched_bytes(dag, prefix + server.url)

    message = refusal(failed)
    assert server.url in message
    assert seconds < DEADLINE_S + SLACK_S
    assert left == ["model", *(["pulled.partial"] if kept else [])]
    assert is_whole(dag)
    assert fetched == sum(len(block) for _, block in blocks) - sum(kept.values())
    assert not {digest_of(request) for request in server.requests} & kept.keys()


def test_what_arrived_before_a_fault_is_not_asked_for_again(dag: Dag, server: Faulty) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.STALLED}

    failed = pull(dag, server.url, deadline_s=DEADLINE_S)
    kept = {path.name for path in Path("pulled.partial").glob("blocks/*")}
    server.faults, server.requests = {}, []
    done = pull(dag, server.url)

    assert "bytes are verified and wait in pulled.partial for another try" in refusal(failed)
    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert dag.block_count / 3 < len(kept) < dag.block_count
    assert server.asked("ipfs/raw") == dag.block_count - len(kept)
    assert server.asked("ipfs/car") == 0


@pytest.mark.parametrize("location", ["http://[", "ftp://host/", "http://me:secret@host/", "//ü"])
def test_a_redirect_to_what_is_no_url_is_refused(location: str, dag: Dag, server: Faulty) -> None:
    server.faults = {"ipfs/car": Fault.REDIRECT, "ipfs/raw": Fault.REDIRECT}
    server.location = location

    message = refusal(pull(dag, server.url, deadline_s=DEADLINE_S))

    assert f"{server.url}/ipfs/{dag.root}: redirects to " in message
    assert "secret" not in message


def test_after_a_cut_each_file_that_is_missing_comes_in_a_car_of_its_own(server: Faulty) -> None:
    Path("model").mkdir()
    for name in "abc":
        Path("model", name).write_bytes(content_of(name, 3 << 20))
    dag = unixfs.import_path(Path("model"))
    for path in (Path("model/b"), Path("model/c"), Path("model")):
        server.add(car_of(unixfs.import_path(path)))
    server.cars[str(dag.root)] = car_with(dag.root, blocks_of(dag)[:3])

    done = pull(dag, server.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert [request.route for request in server.requests] == [
        "ipfs/car", "ipfs/raw", "ipfs/raw", "ipfs/car", "ipfs/car"
    ]  # fmt: skip


def test_a_storm_of_503_passes_within_one_pull(dag: Dag, server: Faulty) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.BUSY}

    done = pull(dag, server.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert done.stderr == f"{server.url}: HTTP 503\n"


def test_a_gateway_that_drips_is_left_for_another_long_before_the_deadline(
    dag: Dag, server: Faulty, other: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.5)
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.DRIPPING}
    other.add(car_of(dag))

    started = time.monotonic()
    done = pull(dag, server.url, other.url, deadline_s=60)
    seconds = time.monotonic() - started

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert seconds < 0.5 + SLACK_S


def test_blocks_that_nobody_asked_for_are_refused_and_not_kept(dag: Dag, server: Faulty) -> None:
    blocks = blocks_of(dag)
    extra = [(block_cid(block), block) for block in (b"extra", b"more")]
    server.add(car_of(dag))
    server.cars[str(dag.root)] = car_with(dag.root, [*blocks[:3], *extra, *blocks[3:]])
    server.faults = {"ipfs/raw": 404}

    message = refusal(pull(dag, server.url, deadline_s=DEADLINE_S))

    assert f"{server.url}: HTTP 404" in message
    kept = {path.name for path in Path("pulled.partial").glob("blocks/*")}
    assert kept == {cid.digest.hex() for cid, _ in blocks[:3]}


def test_a_kept_block_that_was_damaged_is_fetched_again(dag: Dag, server: Faulty) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.STALLED}
    pull(dag, server.url, deadline_s=DEADLINE_S)
    kept = {path.name: path for path in Path("pulled.partial").glob("blocks/*")}
    leaves = [kept[cid.digest.hex()] for cid, _ in blocks_of(dag)[:8] if cid.codec == RAW]
    leaves[0].write_bytes(leaves[0].read_bytes()[:-1])
    leaves[1].write_bytes(b"")
    server.faults, server.requests = {}, []

    done = pull(dag, server.url)

    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    asked = {digest_of(request) for request in server.requests}
    assert kept.keys() & asked == {leaves[0].name, leaves[1].name}


def test_a_dag_that_cannot_become_files_leaves_nothing(server: Faulty) -> None:
    server.add((CARS / "symlink.car").read_bytes())
    [root] = server.cars

    done = CliRunner().invoke(cli.main, ["pull", root, "-o", "pulled", "--from", server.url])

    assert "a symlink: have files and folders" in refusal(done)
    assert os.listdir() == []


def test_a_car_that_lacks_blocks_is_no_excuse_for_less(server: Faulty) -> None:
    server.add((CARS / "simple-unixfs-missing-blocks.car").read_bytes())
    [root] = server.cars

    done = CliRunner().invoke(cli.main, ["pull", root, "-o", "pulled", "--from", server.url])

    assert f"cannot be had: {server.url}: HTTP 404" in refusal(done)
    assert os.listdir() == ["pulled.partial"]


# What is at the output already


def test_what_is_there_already_is_not_pulled_again(dag: Dag, server: Faulty) -> None:
    for out in ("model", "model/config.json"):
        root = unixfs.import_path(Path(out)).root
        done = CliRunner().invoke(cli.main, ["pull", str(root), "-o", out, "--from", server.url])

        assert done.exit_code == 0, done.output
    assert server.requests == []


@pytest.mark.parametrize("name", ["folder", "file", "dangling"])
def test_something_else_at_the_output_is_refused_and_kept(
    name: str, dag: Dag, server: Faulty
) -> None:
    Path("folder").mkdir()
    Path("file").write_bytes(b"mine")
    Path("dangling").symlink_to("nowhere")
    server.add(car_of(dag))

    message = refusal(pull(dag, server.url, out=name))

    assert message.startswith(f"error: {name} exists already and is something else: ")
    assert server.requests == []
    assert sorted(os.listdir()) == ["dangling", "file", "folder", "model"]


def test_a_folder_of_ones_own_called_partial_is_left_alone(dag: Dag, server: Faulty) -> None:
    Path("pulled.partial").mkdir()
    Path("pulled.partial/notes.txt").write_bytes(b"mine")
    server.add(car_of(dag))

    done = pull(dag, server.url)

    assert done.exit_code == 0, done.output
    assert os.listdir("pulled.partial") == ["notes.txt"]


def test_a_killed_pull_goes_on_and_keeps_others_out_while_it_runs(dag: Dag, server: Faulty) -> None:
    server.add(car_of(dag))
    server.faults = {"ipfs/car": Fault.STALLED}
    program = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    command = [*program, "pull", str(dag.root), "-o", "pulled", "--from", server.url]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    wait_for(lambda: len(list(Path("pulled.partial").glob("blocks/*"))) > 5)
    refused = pull(dag, server.url)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=10)
    left = sorted(os.listdir())
    server.faults = {}
    done = pull(dag, server.url)

    assert "pulled: another process" in refusal(refused)
    assert left == ["model", "pulled.partial"]
    assert done.exit_code == 0, done.output
    assert is_whole(dag)
    assert server.asked("ipfs/raw") < dag.block_count - 5


# As a source of models


def model_of(source: str) -> Model:
    fields = {"format": "transformers", "task": "feature-extraction", "options": {}, "allow": ()}
    return Model(name="tiny", source=source, calibration="c", validation="v", **fields)


@pytest.fixture
def repository(server: Faulty, monkeypatch: pytest.MonkeyPatch) -> Dag:
    """A model's files and a large one that nobody wants, on the gateway of the environment."""
    monkeypatch.setenv("OVPIPE_GATEWAYS", server.url)
    begins = {"config.json": b'{"model_type": ""}', "model.safetensors": b"\2" + bytes(7) + b"{}"}
    for name, size in (("config.json", 18), ("model.safetensors", 3 << 20), ("tf.h5", 4 << 20)):
        begin = begins.get(name, b"")
        Path("model").mkdir(exist_ok=True)
        Path("model", name).write_bytes(begin + content_of(name, size - len(begin)))
    dag = unixfs.import_path(Path("model"))
    server.add(car_of(dag))
    return dag


def test_a_source_fetches_the_wanted_files_and_not_what_is_in_the_others(
    repository: Dag, server: Faulty
) -> None:
    layout = Layout()

    lock = fetch(model_of(f"ipfs:{repository.root}"), layout)

    assert (lock.revision, lock.license) == (str(repository.root), None)
    assert [file.path for file in lock.files] == ["config.json", "model.safetensors"]
    for file in lock.files:
        assert manifest.sha256(layout.source("tiny") / file.path) == file.sha256
        assert manifest.sha256(Path("model") / file.path) == file.sha256
    assert server.asked("ipfs/raw") == len(server.requests) == 1 + 1 + (1 + 3) + 1
    assert list(layout.work.glob("pull/*")) == []


def test_a_source_that_broke_off_goes_on_with_what_was_verified(
    repository: Dag, server: Faulty
) -> None:
    leaves = [cid for cid, _ in blocks_of(repository) if cid.codec == RAW]
    last = server.blocks.pop(leaves[3].digest)

    with pytest.raises(TransferError, match=f"block {leaves[3]} cannot be had: {server.url}"):
        fetch(model_of(f"ipfs:{repository.root}"), Layout())
    left = list(Layout().artifacts.rglob("*"))
    server.blocks[leaves[3].digest], server.requests = last, []
    fetch(model_of(f"ipfs:{repository.root}"), Layout())

    assert left == []
    assert [digest_of(request) for request in server.requests] == [leaves[3].digest.hex()]


def test_a_source_is_pinned_by_its_cid_and_by_nothing_else(repository: Dag) -> None:
    source = kinds.load("source", "ipfs")

    source.check(str(repository.root))

    assert source.fingerprint(str(repository.root), lambda _: True, manifest.sha256) == str(
        repository.root
    )
    with pytest.raises(SpecError, match="'ipfs:main': want ipfs:CID"):
        source.check("main")


# Usage


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bafyno"], "'bafyno' is no CID"),
        (["{cid}", "--from", "ftp://host"], "want http://HOST[:PORT] or https://HOST"),
        (["{cid}", "--from", "http://me:secret@host"], "no user name or password"),
        (["{cid}", "--from", "https://host/?a=b"], "want a URL without ? and #"),
        (["{cid}", "--from", "no.car"], "'no.car': want https://HOST, kubo:"),
        (["{cid}", "--from", "kubo:host"], "want http://HOST[:PORT] or https://HOST"),
        (["{cid}", "--deadline", "0"], "not in the range x>0"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_would_be_right(
    words: list[str], message: str, dag: Dag
) -> None:
    given = [word.format(cid=dag.root) for word in words]

    done = CliRunner().invoke(cli.main, ["pull", *given])

    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert "secret" not in done.stderr
    assert os.listdir() == ["model"]


def wait_for(happens: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.02)
