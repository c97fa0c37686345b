"""Pulling from servers that we did not write: Helia as a trustless gateway, and js-ipfs' RPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import blocks_of, car_of, car_with, content_of
from click.testing import CliRunner, Result

from pipeline import cli, kinds
from pipeline.ipfs import unixfs
from pipeline.ipfs.unixfs import PROFILES, Dag

if TYPE_CHECKING:
    from servers import Node

pytestmark = [pytest.mark.soak, pytest.mark.node]
pytest_plugins = ("servers",)


@pytest.fixture(params=sorted(PROFILES))
def dag(request: pytest.FixtureRequest, tmp_path: Path) -> Dag:
    """A folder with an empty one, a file of many blocks, and one large enough to be sharded."""
    folder = tmp_path / "folder"
    (folder / "many").mkdir(parents=True)
    for i in range(5000):
        (folder / "many" / f"{i}-{'x' * 20}.txt").write_bytes(b"%d" % (i % 7))
    (folder / "weights.bin").write_bytes(content_of(request.param, (9 << 20) + 1))
    (folder / "empty").mkdir()
    (folder / "Ünï ✓.txt").write_bytes(b"")
    return unixfs.import_path(folder, request.param)


@pytest.fixture
def gateway(dag: Dag, tmp_path: Path) -> Iterator[str]:
    with serving(car_of(dag), tmp_path) as url:
        yield url


@contextmanager
def serving(archive: bytes, folder: Path) -> Iterator[str]:
    """A trustless gateway of the blocks of a CAR."""
    from servers import free_ports, running

    (port,) = free_ports(1)
    (folder / "gateway.car").write_bytes(archive)
    arguments = ["start.mjs", str(port), str(folder / "gateway.car")]
    with running("gateway", arguments, folder / "gateway.log"):
        yield f"http://127.0.0.1:{port}"


def pull(dag: Dag, out: Path, *sources: str) -> Result:
    given = [word for source in sources for word in ("--from", source)]
    command = ["pull", str(dag.root), "-o", str(out), "--deadline", "60", "--json", *given]
    return CliRunner().invoke(cli.main, command)


def is_whole(dag: Dag, out: Path) -> bool:
    return unixfs.import_path(out, dag.profile).root == dag.root


def test_a_trustless_gateway_gives_every_block_once(dag: Dag, gateway: str, tmp_path: Path) -> None:
    done = pull(dag, tmp_path / "out", gateway)

    assert done.exit_code == 0, done.output
    assert is_whole(dag, tmp_path / "out")
    size_bytes = sum(len(block) for _, block in blocks_of(dag))
    assert json.loads(done.stdout)["fetched_bytes"] == size_bytes


def test_a_node_gives_all_by_its_rpc(dag: Dag, ipfs_node: Node, tmp_path: Path) -> None:
    ipfs_node.rpc("dag/import", car_of(dag))

    done = pull(dag, tmp_path / "out", f"kubo:{ipfs_node.api}")

    assert done.exit_code == 0, done.output
    assert is_whole(dag, tmp_path / "out")


@pytest.mark.parametrize("kind", ["gateway", "kubo"])
def test_a_source_takes_the_blocks_of_wanted_files_one_by_one(
    kind: str,
    dag: Dag,
    gateway: str,
    ipfs_node: Node,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ipfs_node.rpc("dag/import", car_of(dag))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVPIPE_GATEWAYS", gateway if kind == "gateway" else f"kubo:{ipfs_node.api}")

    source, out = kinds.load("source", "ipfs"), tmp_path / "out"
    out.mkdir()
    source.fetch(str(dag.root), lambda path: path == "weights.bin", out)

    assert [path.name for path in out.iterdir()] == ["weights.bin"]
    assert (out / "weights.bin").read_bytes() == (tmp_path / "folder/weights.bin").read_bytes()


def test_what_a_gateway_lacks_comes_from_a_node(dag: Dag, ipfs_node: Node, tmp_path: Path) -> None:
    blocks = blocks_of(dag)
    ipfs_node.rpc("dag/import", car_of(dag))

    with serving(car_with(dag.root, blocks[: len(blocks) - 5]), tmp_path) as url:
        done = pull(dag, tmp_path / "out", url, f"kubo:{ipfs_node.api}")

    assert done.exit_code == 0, done.output
    assert is_whole(dag, tmp_path / "out")
    assert done.stderr.startswith(url)


def test_a_node_that_took_damaged_bytes_cannot_pass_them_on(
    ipfs_node: Node, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/config.json").write_bytes(b"damaged on the way to a pull")
    dag = unixfs.import_path(tmp_path / "folder")
    ipfs_node.rpc("dag/import", car_of(dag).replace(b"damaged", b"Damaged"))

    done = pull(dag, tmp_path / "out", f"kubo:{ipfs_node.api}")

    assert done.exit_code == 1
    assert "bytes are damaged" in json.loads(done.stdout)["error"]
    assert not (tmp_path / "out").exists()
