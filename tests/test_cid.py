import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ContentError, IntegrityError
from pipeline.ipfs.cid import DAG_PB, RAW, Cid, read_varint, varint

EMPTY_RAW = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
EMPTY_FOLDER_V0 = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"

digests = st.binary(min_size=32, max_size=32)
texts = st.sampled_from([EMPTY_RAW, EMPTY_FOLDER_V0, "bafkqaaa", "", "b", "z", "Qm"])


@pytest.mark.parametrize("text", [EMPTY_RAW, EMPTY_FOLDER_V0])
def test_a_cid_is_printed_as_it_was_parsed(text: str) -> None:
    cid = Cid.parse(text)

    assert str(cid) == text
    assert Cid.decode(cid.bytes) == cid


@given(digests, st.sampled_from([(0, DAG_PB), (1, DAG_PB), (1, RAW)]))
def test_text_and_bytes_of_a_cid_give_the_same_cid(digest: bytes, kind: tuple[int, int]) -> None:
    cid = Cid(*kind, digest)

    assert Cid.parse(str(cid)) == cid
    assert Cid.decode(cid.bytes) == cid


def test_a_cid_has_the_codec_and_the_digest_of_its_block() -> None:
    cid = Cid.parse(EMPTY_RAW)

    assert (cid.version, cid.codec, cid.digest) == (1, RAW, hashlib.sha256(b"").digest())


@pytest.mark.parametrize(
    "text",
    [
        "k2cwueebp9wws0fnm29jatrrbqocjaivp132efhd99cd5phw2odywbit",
        "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW",
        "f01551220" + hashlib.sha256(b"").hexdigest(),
    ],
    ids=["base36", "base58btc", "base16"],
)
def test_a_cid_is_parsed_in_any_multibase(text: str) -> None:
    cid = Cid.parse(text)

    assert str(cid) == EMPTY_RAW


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no CID"),
        ("hello", "no CID"),
        (EMPTY_RAW[:-1], "no CID"),
        ("z" + EMPTY_FOLDER_V0, "no CID"),
        ("bafkqaaa", "multihash prefix"),
        ("b" * 129, "at most 128"),
        ("f01701114" + "00" * 20, "multihash prefix"),
    ],
    ids=["empty", "word", "cut", "v0-in-multibase", "identity", "long", "sha1"],
)
def test_what_is_no_sha256_cid_is_refused(text: str, why: str) -> None:
    with pytest.raises(ContentError, match=why):
        Cid.parse(text)


@pytest.mark.parametrize(
    "binary",
    [
        b"",
        b"\x01",
        b"\x01\x55\x12\x20" + bytes(31),
        b"\x01\x55\x12\x20" + bytes(33),
        b"\x12\x20" + bytes(31),
        b"\x02\x55\x12\x20" + bytes(32),
        b"\x81\x00\x55\x12\x20" + bytes(32),
        b"\x01\xd5\x00\x12\x20" + bytes(32),
        b"\x01" + b"\xff" * 20,
    ],
)
def test_malformed_bytes_are_no_cid(binary: bytes) -> None:
    with pytest.raises(ContentError):
        Cid.decode(binary)


@given(texts, st.lists(st.tuples(st.integers(0, 70), st.characters(max_codepoint=400)), max_size=4))
def test_a_damaged_text_is_a_cid_or_a_content_error(
    text: str, edits: list[tuple[int, str]]
) -> None:
    for at, character in edits:
        text = text[:at] + character + text[at + 1 :]

    try:
        cid = Cid.parse(text)
    except ContentError:
        return

    assert Cid.parse(str(cid)) == cid


def test_a_block_that_is_not_what_the_cid_names_is_refused_by_the_name_of_the_cid() -> None:
    cid = Cid.parse(EMPTY_RAW)

    cid.verify(b"")
    with pytest.raises(IntegrityError, match=EMPTY_RAW):
        cid.verify(b"x")


@given(st.integers(0, 2**63 - 1))
def test_a_varint_is_read_as_it_was_written(number: int) -> None:
    encoded = varint(number)

    assert read_varint(b"x" + encoded + b"y", 1) == (number, len(encoded) + 1)


@pytest.mark.parametrize("encoded", [b"", b"\x80", b"\x80\x00", b"\xff\x00", b"\xff" * 9 + b"\x01"])
def test_a_varint_that_is_cut_long_or_not_shortest_is_refused(encoded: bytes) -> None:
    with pytest.raises(ContentError, match="varint"):
        read_varint(encoded, 0)
