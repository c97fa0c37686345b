"""Content identifiers: a block is named by the hash of its bytes, so the name can be checked.

Sources: the CID specification (https://github.com/multiformats/cid, sections "CIDv0", "CIDv1" and
"Decoding Algorithm") and unsigned-varint (https://github.com/multiformats/unsigned-varint, "Spec").
Text goes through `multiformats`; the binary form, which every link and every CAR section carries,
is read and written here.

Only sha2-256 is taken: it is what both UnixFS profiles prescribe, and a hash that nobody here
recomputes (identity, or one that is broken) proves nothing. A CID of these holds what it says:

    Cid.parse(str(cid)) == cid == Cid.decode(cid.bytes)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import multiformats

from pipeline.errors import ContentError, IntegrityError

RAW = 0x55
DAG_PB = 0x70

_SHA2_256 = b"\x12\x20"  # the multihash prefix: function 0x12, 32 bytes
_MAX_TEXT = 128  # a sha2-256 CID has 46 to 72 characters in the usual bases
_MAX_VARINT = 9  # bytes (unsigned-varint, "Practical maximum of 9 bytes")


@dataclass(frozen=True, slots=True)
class Cid:
    """A CID whose hash is sha2-256.

    Attributes:
        version: 0 or 1.
        codec: the multicodec of the block, RAW (0x55) or DAG_PB (0x70) in a UnixFS DAG.
        digest: the sha2-256 of the block, 32 bytes.
    """

    version: int
    codec: int
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Cid:
        """The CID that a text names, in any multibase."""
        if len(text) > _MAX_TEXT:
            raise ContentError(f"CID of {len(text)} characters: at most {_MAX_TEXT}")
        try:
            binary = bytes(multiformats.CID.decode(text))
        except (ValueError, LookupError) as e:
            raise ContentError(f"{text!r} is no CID: {e}") from e
        return cls.decode(binary)

    @classmethod
    def decode(cls, binary: bytes) -> Cid:
        """The CID that exactly these bytes are."""
        cid, end = cls.decode_prefix(binary)
        if end != len(binary):
            raise ContentError(f"{len(binary) - end} bytes after the CID {cid}")
        return cid

    @classmethod
    def decode_prefix(cls, buffer: bytes) -> tuple[Cid, int]:
        """The CID that these bytes begin with, and its length ("Decoding Algorithm")."""
        if buffer[:2] == _SHA2_256:
            version, codec, start = 0, DAG_PB, 2
        else:
            version, at = read_varint(buffer, 0)
            if version != 1:
                raise ContentError(f"CID of version {version}: have 0, 1")
            codec, at = read_varint(buffer, at)
            start = at + 2
            if buffer[at:start] != _SHA2_256:
                raise ContentError(
                    f"CID with the multihash prefix {buffer[at:start].hex() or 'nothing'}: "
                    f"have {_SHA2_256.hex()} (sha2-256)"
                )
        digest = buffer[start : start + 32]
        if len(digest) != 32:
            raise ContentError(f"CID ends after {len(digest)} of 32 digest bytes")
        return cls(version, codec, bytes(digest)), start + 32

    def __str__(self) -> str:
        """Base32 for CIDv1, base58btc without a prefix for CIDv0."""
        if self.version == 0:
            return multiformats.multibase.get("base58btc").encode(self.bytes)[1:]
        return multiformats.multibase.get("base32").encode(self.bytes)

    def verify(self, block: bytes) -> None:
        """Check that the block is what this CID names.

        Raises:
            IntegrityError: it is not.
        """
        digest = hashlib.sha256(block).digest()
        if digest != self.digest:
            raise IntegrityError(f"block {self} has the sha2-256 {digest.hex()}: bytes are damaged")

    @property
    def bytes(self) -> bytes:
        """The binary form."""
        if self.version == 0:
            return _SHA2_256 + self.digest
        return b"\x01" + varint(self.codec) + _SHA2_256 + self.digest


def varint(number: int) -> bytes:
    """An unsigned integer in its shortest varint."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(buffer: bytes, start: int) -> tuple[int, int]:
    """The varint at `start`, and where it ends; it must be the shortest form of its number."""
    number = 0
    for i, byte in enumerate(buffer[start : start + _MAX_VARINT]):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if byte == 0 and i > 0:
                raise ContentError(f"varint of {number} is not in its shortest form")
            return number, start + i + 1
    raise ContentError(f"varint does not end within {_MAX_VARINT} bytes of data")
