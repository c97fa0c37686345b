"""The header of a CARv1: version and roots, as a DAG-CBOR map of one form.

Source: CARv1 (https://ipld.io/specs/transport/car/carv1/, "Header").
"""

from pipeline.errors import ContentError
from pipeline.ipfs.cid import Cid

_BEFORE, _AFTER = b"\xa2\x65roots", b"\x67version\x01"
_TAG_CID = b"\xd8\x2a"


def encode_header(root: Cid) -> bytes:
    """The header of a CAR of one root."""
    link = b"\0" + root.bytes
    return _BEFORE + b"\x81" + _TAG_CID + b"\x58" + bytes((len(link),)) + link + _AFTER


def parse_header(header: bytes) -> tuple[Cid, ...]:
    """The roots of a CARv1 header, which is canonical DAG-CBOR: no other map means the same."""
    if not header.startswith(_BEFORE) or not header.endswith(_AFTER):
        raise ContentError("CAR header is not {roots, version: 1} in canonical DAG-CBOR")
    count, at = _cbor_head(header, len(_BEFORE), 4)
    roots = []
    for _ in range(count):
        if header[at : at + 2] != _TAG_CID:
            raise ContentError("CAR header with a root that is no CID (CBOR tag 42)")
        length, at = _cbor_head(header, at + 2, 2)
        if header[at : at + 1] != b"\0":
            raise ContentError("CAR header with a CID that lacks its multibase prefix 0x00")
        roots.append(Cid.decode(header[at + 1 : at + length]))
        at += length
    if at != len(header) - len(_AFTER):
        raise ContentError("CAR header with something between roots and version")
    return tuple(roots)


def _cbor_head(buffer: bytes, at: int, major: int) -> tuple[int, int]:
    """The count of an array (major type 4) or byte string (2), and where it begins."""
    head = buffer[at : at + 3].ljust(3, b"\0")
    short = head[0] & 0x1F
    if head[0] >> 5 != major or short > 25:
        raise ContentError(f"CAR header has {head[0]:#04x} where CBOR major type {major} belongs")
    width = max(short - 23, 0)
    count = int.from_bytes(head[1 : 1 + width], "big") if width else short
    return count, at + 1 + width
