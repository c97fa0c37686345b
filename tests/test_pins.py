"""Publishing: what is proven, what is refused, and that no server can make it hang or lie."""

import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import catalogued
import pytest
from click.testing import CliRunner, Result
from faulty import CREATED, OTHER, Fault, Faulty

from pipeline import check, cli
from pipeline.errors import SpecError
from pipeline.ipfs import car, unixfs
from pipeline.ipfs.cid import Cid
from pipeline.layout import Layout
from pipeline.pins import ReadBack, Receipt, Statement

TOKEN = "s3cret-notToBeShown"  # noqa: S105 - of the loopback service
VARIANT, REFUSED = "tiny-fp32", "tiny-int8"
DEADLINE_S = 0.5
SLACK_S = 5.0  # of a busy machine; a deadline that is not kept takes 30 seconds or for ever
PINS = """\
  shelf: {{target: car, folder: shelf}}
  node: {{target: kubo, api: "{url}", deadline_s: {deadline_s}}}
  service:
    target: pinning-service
    endpoint: "{url}"
    token_env: PIN_TOKEN
    origins: [/dns4/node.example/tcp/4001]
    meta: {{project: test}}
    deadline_s: {deadline_s}
"""

Project = Callable[..., Layout]


@pytest.fixture
def server() -> Iterator[Faulty]:
    with Faulty(token=TOKEN) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, server: Faulty, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Makes a project with one artifact, one refusal and three targets, and goes there."""

    def make(deadline_s: float = 30.0, listed: tuple[str, ...] = (VARIANT,)) -> Layout:
        pins = PINS.format(url=server.url, deadline_s=deadline_s)
        catalogued.make(tmp_path / "project", pins, listed=listed, refused=(REFUSED,))
        monkeypatch.chdir(tmp_path / "project")
        monkeypatch.setenv("PIN_TOKEN", TOKEN)
        return Layout()

    return make


def pin(target: str, *more: str, variant: str = VARIANT) -> Result:
    return CliRunner().invoke(cli.main, ["pin", variant, "--to", target, *more])


def refusal(done: Result) -> str:
    """The one line that a command that failed has printed."""
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.rstrip("\n").isprintable()
    return done.stderr


def receipt_of(done: Result, target: str, variant: str = VARIANT) -> Receipt:
    assert done.exit_code == 0, done.output
    return Receipt.read(Layout().receipt(variant, target))


def recover(server: Faulty, layout: Layout) -> None:
    """No more faults, and as much time as a busy machine may need."""
    server.faults.clear()
    params = layout.params.read_text()
    layout.params.write_text(params.replace(f"deadline_s: {DEADLINE_S}", "deadline_s: 30.0"))


def state(layout: Layout) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file that pinning may have written."""
    written = [path for path in layout.root.rglob("*") if path.is_file()]
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in written
        if not str(path).startswith((".work/lock", "artifacts/ir"))
    }


# What is published


def test_a_refused_variant_is_not_published(project: Project, server: Faulty) -> None:
    project()

    message = refusal(pin("node", variant=REFUSED))

    assert "refused" in message
    assert "cosine_mean 0.5 at f32, want >= 0.9" in message
    assert server.requests == []


def test_all_variants_are_looked_up_before_the_first_is_sent(
    project: Project, server: Faulty
) -> None:
    layout = project()

    message = refusal(pin("node", "no-such"))

    assert "variant 'no-such': the catalog has ['tiny-fp32']" in message
    assert server.requests == []
    assert not layout.receipt(VARIANT, "node").exists()


def test_a_folder_that_is_not_what_the_catalog_lists_is_not_sent(
    project: Project, server: Faulty
) -> None:
    layout = project()
    (layout.ir(VARIANT) / "config.json").write_bytes(b"{}")

    message = refusal(pin("node"))

    assert "the catalog lists bafy" in message
    assert server.requests == []


def test_a_folder_that_changes_while_it_is_sent_is_not_pinned(
    project: Project, server: Faulty
) -> None:
    layout = project()
    model = (layout.ir(VARIANT) / "openvino_model.bin").absolute()
    server.meanwhile["pin/ls"] = lambda: os.utime(model, ns=(1, 1))

    message = refusal(pin("node"))

    assert "openvino_model.bin changed while it was read" in message
    assert server.pinned == set()
    assert not layout.receipt(VARIANT, "node").exists()


def test_without_a_catalog_the_message_says_how_to_get_one(project: Project) -> None:
    layout = project()
    layout.catalog.unlink()

    assert "run `dvc repro` first" in refusal(pin("node"))


def test_several_variants_give_a_receipt_each(project: Project) -> None:
    project(listed=(VARIANT, "tiny-fp16"))

    done = pin("shelf", "tiny-fp16", VARIANT, "--json")

    assert done.exit_code == 0
    printed = [Receipt.from_dict(fields) for fields in json.loads(done.stdout)["receipts"]]
    assert printed == [receipt_of(done, "shelf", v) for v in (VARIANT, "tiny-fp16")]


def test_an_unknown_target_is_one_line(project: Project) -> None:
    project()

    assert "target 'nowhere': have ['node', 'service', 'shelf']" in refusal(pin("nowhere"))


def test_without_any_target_the_message_says_how_to_name_one(project: Project) -> None:
    layout = project()
    layout.params.write_text(catalogued.PARAMS)

    assert "pins: {shelf: {target: car}}" in refusal(pin("shelf"))


def test_wrong_usage_ends_with_2(project: Project) -> None:
    project()

    assert CliRunner().invoke(cli.main, ["pin", VARIANT]).exit_code == 2
    assert CliRunner().invoke(cli.main, ["pin", "--to", "shelf"]).exit_code == 2


def test_what_dvc_repro_made_is_published(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")

    receipt = receipt_of(pin("local"), "local")

    path = Path(f"artifacts/cars/{receipt.cid}.car")
    car.extract(path, Cid.parse(receipt.cid), tmp_path / "out")
    assert unixfs.import_path(tmp_path / "out").root == Cid.parse(receipt.cid)
    assert isinstance(receipt.proof, ReadBack)
    assert receipt.proof.location == str(path)


# car


def test_a_car_holds_the_artifact_and_the_receipt_says_where(
    project: Project, tmp_path: Path
) -> None:
    layout = project()
    dag = catalogued.dag_of(layout, VARIANT)

    receipt = receipt_of(pin("shelf"), "shelf")

    path = Path(f"shelf/{dag.root}.car")
    car.extract(path, dag.root, tmp_path / "out")
    assert unixfs.import_path(tmp_path / "out").root == dag.root
    blocks = list(dag.blocks())
    assert receipt == Receipt(
        variant=VARIANT,
        cid=str(dag.root),
        profile="unixfs-v1-2025",
        target="shelf",
        kind="car",
        proof=ReadBack(
            location=str(path), blocks=len(blocks), size_bytes=sum(b.size_bytes for b in blocks)
        ),
    )
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("damage", ["bit", "end", "appended"])
def test_a_damaged_car_is_written_again(damage: str, project: Project) -> None:
    project()
    path = Path(f"shelf/{receipt_of(pin('shelf'), 'shelf').cid}.car")
    good = path.read_bytes()
    bad = {"bit": bytes((*good[:-1], good[-1] ^ 1)), "end": good[:-1], "appended": good + b"\0"}
    path.write_bytes(bad[damage])

    assert pin("shelf").exit_code == 0

    assert path.read_bytes() == good


def test_what_a_killed_process_left_is_no_obstacle(project: Project) -> None:
    project()
    Path("shelf").mkdir()
    Path(f"shelf/.{VARIANT}.partial").write_bytes(b"half")

    receipt = receipt_of(pin("shelf"), "shelf")

    assert [path.name for path in Path("shelf").iterdir()] == [f"{receipt.cid}.car"]


def test_a_folder_that_cannot_be_one_is_one_line(project: Project) -> None:
    layout = project()
    Path("shelf").write_bytes(b"")

    assert "shelf" in refusal(pin("shelf"))
    assert not layout.receipt(VARIANT, "shelf").exists()


# Every target


@pytest.mark.parametrize("target", ["shelf", "node", "service"])
def test_pinning_what_is_pinned_already_changes_nothing(
    target: str, project: Project, server: Faulty
) -> None:
    layout = project()
    first = receipt_of(pin(target), target)
    before, asked = state(layout), len(server.requests)

    second = receipt_of(pin(target), target)

    assert second == first
    assert state(layout) == before
    routes = {request.route for request in server.requests[asked:]}
    assert routes.isdisjoint({"dag/import", "pin/add", "pins/add"})


NODE_FAULTS = [
    Fault.TRUNCATED, Fault.STALLED, Fault.ENDLESS, Fault.GARBAGE, Fault.REDIRECT, Fault.SILENT,
    Fault.DIES, Fault.ECHO, 500, 503,
]  # fmt: skip
CASES = [
    *(("node", route, fault) for route in ("pin/ls", "block/get") for fault in NODE_FAULTS),
    # What an import says is not what counts.
    *(("node", "dag/import", fault) for fault in NODE_FAULTS if fault is not Fault.GARBAGE),
    ("node", "pin/ls", Fault.OTHER_CID),
    ("node", "block/get", Fault.WRONG_BLOCK),
    *(
        ("service", route, fault)
        for route in ("pins/list", "pins/add", "pins/get")
        for fault in NODE_FAULTS
    ),
    ("service", "pins/add", Fault.OTHER_CID),
    ("service", "pins/get", Fault.OTHER_CID),
    ("service", "pins/get", Fault.QUEUED),
    ("service", "pins/get", Fault.FAILED),
]


@pytest.mark.parametrize(
    ("target", "route", "fault"),
    CASES,
    ids=[f"{route}-{getattr(fault, 'name', fault)}" for _, route, fault in CASES],
)
def test_a_fault_is_one_line_within_the_deadline_and_the_next_try_succeeds(
    target: str, route: str, fault: Fault | int, project: Project, server: Faulty
) -> None:
    layout = project(deadline_s=DEADLINE_S)
    server.faults[route] = fault
    before = state(layout)

    started = time.monotonic()
    message = refusal(pin(target))
    seconds = time.monotonic() - started

    assert seconds < DEADLINE_S + SLACK_S
    assert server.url in message
    assert TOKEN not in message
    assert state(layout) == before
    recover(server, layout)
    assert receipt_of(pin(target), target).cid == str(catalogued.dag_of(layout, VARIANT).root)


@pytest.mark.parametrize(
    ("target", "route"),
    [
        *(("node", route) for route in ("dag/import", "block/get")),
        *(("service", route) for route in ("pins/add", "pins/get")),
    ],
)
def test_a_storm_of_503_is_waited_out(
    target: str, route: str, project: Project, server: Faulty
) -> None:
    project()
    server.faults[route] = Fault.BUSY

    receipt_of(pin(target), target)

    assert server.asked(route) > 3


@pytest.mark.parametrize("target", ["node", "service"])
def test_a_server_that_wants_to_be_left_alone_beyond_the_deadline_is(
    target: str, project: Project, server: Faulty
) -> None:
    project(deadline_s=20)
    server.faults |= {"pin/ls": Fault.BUSY, "pins/list": Fault.BUSY}
    server.retry_after = "3600"

    started = time.monotonic()
    message = refusal(pin(target))

    assert "HTTP 503: busy" in message
    assert time.monotonic() - started < SLACK_S


def test_a_server_that_says_when_to_ask_again_is_asked_then(
    project: Project, server: Faulty
) -> None:
    project()
    server.faults["pins/list"] = Fault.BUSY
    server.refusals["pins/list"] = 2
    server.retry_after = "1"

    started = time.monotonic()
    receipt_of(pin("service"), "service")

    assert time.monotonic() - started > 1


@pytest.mark.parametrize("target", ["node", "service"])
def test_a_server_that_is_not_there_is_one_line(
    target: str, project: Project, server: Faulty
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    project()

    assert server.url in refusal(pin(target))


# kubo


def test_a_node_gets_the_car_and_gives_every_block_back(project: Project, server: Faulty) -> None:
    layout = project()
    dag = catalogued.dag_of(layout, VARIANT)

    receipt = receipt_of(pin("node"), "node")

    assert server.cars[str(dag.root)] == b"".join(map(bytes, car.pieces(dag)))
    assert server.pinned == {str(dag.root)}
    assert server.asked("block/get") == dag.block_count
    assert receipt.kind == "kubo"
    assert isinstance(receipt.proof, ReadBack)
    assert (receipt.proof.location, receipt.proof.blocks) == (server.url, dag.block_count)


def test_a_node_that_stored_a_damaged_block_is_found_out(project: Project, server: Faulty) -> None:
    layout = project()
    server.faults["dag/import"] = Fault.WRONG_BLOCK

    message = refusal(pin("node"))

    assert server.url in message
    assert "bytes are damaged" in message
    assert not layout.receipt(VARIANT, "node").exists()


def test_a_node_that_lost_a_block_of_a_pin_gets_it_again(project: Project, server: Faulty) -> None:
    layout = project()
    first = receipt_of(pin("node"), "node")
    del server.blocks[catalogued.dag_of(layout, VARIANT).root.digest]

    second = receipt_of(pin("node"), "node")

    assert second == first
    assert server.asked("dag/import") == 2


# pinning-service


def test_a_service_gets_name_origins_and_meta_and_the_receipt_its_request(
    project: Project, server: Faulty
) -> None:
    layout = project()
    cid = str(catalogued.dag_of(layout, VARIANT).root)

    receipt = receipt_of(pin("service"), "service")

    assert json.loads(next(r.body for r in server.requests if r.route == "pins/add")) == {
        "cid": cid,
        "name": VARIANT,
        "origins": ["/dns4/node.example/tcp/4001"],
        "meta": {"project": "test"},
    }
    assert receipt.proof == Statement(location=server.url, request_id="request-1", created=CREATED)


def test_a_request_that_is_under_way_is_waited_for_and_not_made_again(
    project: Project, server: Faulty
) -> None:
    layout = project(deadline_s=DEADLINE_S)
    server.faults["pins/get"] = Fault.QUEUED
    message = refusal(pin("service"))
    recover(server, layout)

    receipt = receipt_of(pin("service"), "service")

    assert "request-1 is still queued after 0.5 s" in message
    assert server.asked("pins/add") == 1
    assert isinstance(receipt.proof, Statement)
    assert receipt.proof.request_id == "request-1"


def test_after_a_failed_request_a_new_one_is_made(project: Project, server: Faulty) -> None:
    project()
    server.faults["pins/get"] = Fault.FAILED
    message = refusal(pin("service"))
    server.faults.clear()

    receipt = receipt_of(pin("service"), "service")

    assert "no peer has it" in message
    assert isinstance(receipt.proof, Statement)
    assert receipt.proof.request_id == "request-2"


def test_pinned_under_another_cid_is_no_success(project: Project, server: Faulty) -> None:
    project()
    server.faults["pins/add"] = Fault.OTHER_CID

    message = refusal(pin("service"))

    assert OTHER in message
    assert "want bafy" in message


# The token


@pytest.mark.parametrize("route", ["pins/list", "pins/add", "pins/get"])
def test_a_token_that_the_service_repeats_is_not_shown(
    route: str, project: Project, server: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    layout = project()
    caplog.set_level(logging.DEBUG)
    server.faults[route] = Fault.ECHO

    message = refusal(pin("service"))

    assert "Bearer [token]" in message
    assert TOKEN not in caplog.text
    left = [path.read_bytes() for path in layout.root.rglob("*") if path.is_file()]
    assert [content for content in left if TOKEN.encode() in content] == []


def test_a_token_does_not_follow_a_redirect_to_another_origin(
    project: Project, server: Faulty
) -> None:
    project()
    with Faulty() as other:
        server.faults["pins/list"] = Fault.REDIRECT
        server.location = f"{other.url}/pins?cid={OTHER}&next={TOKEN}"
        receipt_of(pin("service"), "service")

    assert [request.route for request in other.requests] == ["pins/list"]
    assert "authorization" not in other.requests[0].headers


def test_a_redirect_that_holds_the_token_does_not_show_it(project: Project, server: Faulty) -> None:
    project()
    server.faults["pins/list"] = Fault.REDIRECT
    server.location = f"ftp://host/{TOKEN}"

    assert "ftp://host/[token]" in refusal(pin("service"))


def test_a_token_may_lie_in_a_file(project: Project, server: Faulty) -> None:
    layout = project()
    params = layout.params.read_text()
    layout.params.write_text(params.replace("token_env: PIN_TOKEN", "token_file: token"))
    Path("token").write_text(f"{TOKEN}\n")

    receipt_of(pin("service"), "service")

    sent = {request.headers["authorization"] for request in server.requests}
    assert sent == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("token", ["", "two words", f"{TOKEN}\r\nX-Header: 1", "s\N{SNOWMAN}"])
def test_what_cannot_be_a_token_is_not_sent_and_not_shown(
    token: str, project: Project, server: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setenv("PIN_TOKEN", token)

    message = refusal(pin("service"))

    assert "token_env: want it to name a token" in message
    assert not token or token not in message
    assert server.requests == []


def test_a_token_for_this_machine_does_not_go_through_a_proxy(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Faulty() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        project()
        receipt_of(pin("service"), "service")

    assert proxy.requests == []


@pytest.mark.parametrize("key", ["token_env", "token_file"])
def test_a_token_in_params_yaml_itself_is_not_shown(
    key: str, project: Project, server: Faulty
) -> None:
    layout = project()
    params = layout.params.read_text()
    layout.params.write_text(params.replace("token_env: PIN_TOKEN", f"{key}: {TOKEN}"))

    assert TOKEN not in refusal(pin("service"))
    assert server.requests == []


def test_a_wrong_token_is_one_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project()
    monkeypatch.setenv("PIN_TOKEN", "wrong")

    assert "/pins: HTTP 401" in refusal(pin("service"))


# params.yaml

SERVICE = "target: pinning-service, endpoint: 'https://pin.example'"
BROKEN = {
    "unknown kind": ("x: {target: s3}", ["pins.x", "'s3'", "car", "kubo", "pinning-service"]),
    "no kind": ("x: {folder: y}", ["pins.x.target: missing"]),
    "no entry": ("x: car", ["pins.x", "'car'", "mapping"]),
    "no section": ("- x", ["pins", "mapping"]),
    "bad name": ("a/b: {target: car}", ["pins", "'a/b'"]),
    "unknown option": ("x: {target: car, fodler: y}", ["pins.x", "'fodler'", "folder"]),
    "option of another kind": ("x: {target: car, api: y}", ["pins.x", "'api'"]),
    "wrong type": ("x: {target: car, folder: 3}", ["pins.x.folder", "3", "string"]),
    "no time": ("x: {target: kubo, deadline_s: 0}", ["pins.x.deadline_s", "0", "greater than 0"]),
    "no URL": ("x: {target: kubo, api: localhost}", ["pins.x", "api", "localhost", "http://"]),
    "no endpoint": ("x: {target: pinning-service, token_env: T}", ["pins.x.endpoint: missing"]),
    "no token": (f"x: {{{SERVICE}}}", ["pins.x", "token_env or token_file"]),
    "two tokens": (
        f"x: {{{SERVICE}, token_env: T, token_file: t}}", ["pins.x", "token_env or token_file"]),
    "token in the open": (
        "x: {target: pinning-service, endpoint: 'http://pin.example', token_env: T}",
        ["pins.x", "endpoint", "https"]),
    "21 origins": (f"x: {{{SERVICE}, token_env: T, origins: {['a'] * 21}}}", ["pins.x.origins"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_mistake_in_pins_is_one_line_with_key_and_remedy(case: str, tmp_path: Path) -> None:
    entry, words = BROKEN[case]
    path = tmp_path / "params.yaml"
    path.write_text(f"{catalogued.PARAMS}pins:\n  {entry}\n")

    with pytest.raises(SpecError) as caught:
        check.load(path)

    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "url",
    [
        "https://me:pa55word@pin.example",
        "me:pa55word@pin.example",
        "https://pin.example/?key=pa55word",
        "https://pin.example/#pa55word",
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"{catalogued.PARAMS}pins:\n  x: {{target: kubo, api: '{url}'}}\n")

    with pytest.raises(SpecError, match="pins.x: api: want a URL without") as caught:
        check.load(path)

    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize("section", ["", "pins:\n"])
def test_pins_may_be_left_out(section: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(catalogued.PARAMS + section)

    assert check.load(path).pins == {}
