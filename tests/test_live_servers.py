"""Against servers that we did not write: the same CID everywhere, and the same bytes back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import catalogued
import pytest
from click.testing import CliRunner, Result

from pipeline import cli, http
from pipeline.errors import IntegrityError
from pipeline.http import Deadline
from pipeline.ipfs import car, unixfs
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import Dag
from pipeline.layout import Layout
from pipeline.pins import ReadBack, Receipt, Statement

if TYPE_CHECKING:
    from servers import Node, Service

pytestmark = [pytest.mark.soak, pytest.mark.node]
pytest_plugins = ("servers",)

VARIANT = "pinned-tiny"  # the pinning mock decides by the beginning of the name
PINS = """\
  node: {{target: kubo, api: "{api}"}}
  service: {{target: pinning-service, endpoint: "{endpoint}", token_env: PIN_TOKEN}}
"""


@pytest.fixture
def layout(
    tmp_path: Path, ipfs_node: Node, pinning_service: Service, monkeypatch: pytest.MonkeyPatch
) -> Layout:
    """A project whose targets are the live servers."""
    pins = PINS.format(api=ipfs_node.api, endpoint=pinning_service.endpoint)
    catalogued.make(tmp_path / "project", pins, listed=(VARIANT,))
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PIN_TOKEN", pinning_service.token)
    return Layout()


def pin(target: str) -> Result:
    return CliRunner().invoke(cli.main, ["pin", VARIANT, "--to", target])


def receipt_of(done: Result, target: str) -> Receipt:
    assert done.exit_code == 0, done.output
    return Receipt.read(Layout().receipt(VARIANT, target))


def car_of(dag: Dag) -> bytes:
    return b"".join(map(bytes, car.pieces(dag)))


def test_js_ipfs_holds_the_cid_and_gives_the_same_bytes_back(
    layout: Layout, ipfs_node: Node, tmp_path: Path
) -> None:
    dag = catalogued.dag_of(layout, VARIANT)

    receipt = receipt_of(pin("node"), "node")

    assert isinstance(receipt.proof, ReadBack)
    assert receipt.proof.blocks == dag.block_count
    keys = json.loads(ipfs_node.rpc("pin/ls", type="recursive"))["Keys"]
    assert dag.root in map(Cid.parse, keys)
    exported = ipfs_node.rpc("dag/export", arg=str(dag.root))
    assert exported == car_of(dag)
    car.extract(io.BytesIO(exported), dag.root, tmp_path / "out")
    assert unixfs.import_path(tmp_path / "out").root == dag.root


def test_its_gateway_serves_the_files(layout: Layout, ipfs_node: Node) -> None:
    assert pin("node").exit_code == 0
    root = catalogued.dag_of(layout, VARIANT).root

    served = {}
    for name in catalogued.FILES:
        url = f"{ipfs_node.gateway}/ipfs/{root}/{name}"
        with http.exchange("GET", url, deadline=Deadline(30), max_bytes=1 << 26) as answer:
            served[name] = answer.read()

    assert served == catalogued.FILES


def test_pinning_there_again_sends_nothing(layout: Layout) -> None:
    first = pin("node")
    before = layout.receipt(VARIANT, "node").stat().st_mtime_ns

    second = pin("node")

    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert layout.receipt(VARIANT, "node").stat().st_mtime_ns == before


def test_js_ipfs_computes_the_same_cid(layout: Layout, ipfs_node: Node) -> None:
    files = {file.path: file.cid for file in catalogued.dag_of(layout, VARIANT).files}

    for name, content in catalogued.FILES.items():
        added = ipfs_node.rpc(
            "add", content, cid_version="1", raw_leaves="true", chunker="size-1048576"
        )

        assert Cid.parse(json.loads(added)["Hash"]) == files[name]


def test_a_car_damaged_in_one_byte_is_refused_here_and_taken_there(
    ipfs_node: Node, tmp_path: Path
) -> None:
    dag = _folder_of_its_own(tmp_path / "folder", b"damaged on the way")
    archive = car_of(dag).replace(b"damaged", b"Damaged")

    taken = json.loads(ipfs_node.rpc("dag/import", archive))

    assert taken == {"Root": {"Cid": {"/": str(dag.root)}, "PinErrorMsg": ""}}
    with pytest.raises(IntegrityError, match="bytes are damaged"):
        car.extract(io.BytesIO(archive), dag.root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_node_that_took_damaged_bytes_before_gives_no_receipt(
    layout: Layout, ipfs_node: Node
) -> None:
    before = catalogued.dag_of(layout, VARIANT).root
    dag = _folder_of_its_own(layout.ir(VARIANT), b"damaged before")
    catalog = layout.catalog.read_text()
    layout.catalog.write_text(catalog.replace(str(before), str(dag.root)))
    ipfs_node.rpc("dag/import", car_of(dag).replace(b"damaged", b"Damaged"))

    done = pin("node")

    assert done.exit_code == 1
    assert "bytes are damaged" in done.stderr
    assert not layout.receipt(VARIANT, "node").exists()


def test_the_pinning_service_says_that_it_holds_the_cid(
    layout: Layout, pinning_service: Service
) -> None:
    first = receipt_of(pin("service"), "service")
    second = receipt_of(pin("service"), "service")

    assert first == second
    assert first.cid == str(catalogued.dag_of(layout, VARIANT).root)
    assert isinstance(first.proof, Statement)
    assert first.proof.location == pinning_service.endpoint


def test_the_pinning_service_refuses_another_token(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIN_TOKEN", "another")

    done = pin("service")

    assert done.exit_code == 1
    assert "HTTP 401" in done.stderr


def _folder_of_its_own(folder: Path, content: bytes) -> Dag:
    """A folder that no node has seen."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(content)
    return unixfs.import_path(folder)
