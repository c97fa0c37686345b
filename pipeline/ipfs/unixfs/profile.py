"""The profile of a CID: every parameter that changes the bytes of a DAG, as one value.

The same bytes under the same names and the same profile give the same CID, here and in every other
implementation; so whoever records a CID records its profile beside it. Source: IPIP-499
(https://specs.ipfs.tech/ipips/ipip-0499/, "UnixFS parameters" and the two profiles).
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import ContentError
from pipeline.ipfs import dagpb
from pipeline.ipfs.cid import DAG_PB, RAW, Cid


@dataclass(frozen=True, slots=True)
class Profile:
    """Every parameter that changes the bytes of a DAG (IPIP-499, "UnixFS parameters").

    What no profile here varies: sha2-256, chunks of fixed size, balanced layout, Tsize present,
    empty folders and hidden files included, neither mode nor mtime, no wrapping of single files.
    Symlinks, which the profiles would preserve, are refused.

    Attributes:
        name: what it is recorded as.
        cid_version: of every block but raw leaves, which are always CIDv1.
        chunk_bytes: content per leaf.
        max_links: links per node of a file.
        raw_leaves: whether leaves are bare content, or wrapped in dag-pb.
        hamt_fanout: buckets per shard of a large folder.
        hamt_threshold_bytes: a folder estimated larger than this is sharded.
        hamt_estimate: its serialized block, or the bytes of its names and CIDs.
    """

    name: str
    cid_version: Literal[0, 1]
    chunk_bytes: int
    max_links: int
    raw_leaves: bool
    hamt_fanout: int
    hamt_threshold_bytes: int
    hamt_estimate: Literal["block-bytes", "links-bytes"]

    def leaf_frame(self, size: int) -> tuple[bytes, bytes]:
        """What stands before and after `size` bytes of content in a leaf."""
        return (b"", b"") if self.raw_leaves else dagpb.leaf_frame(size)

    def leaf_cid(self, digest: bytes) -> Cid:
        """The CID of a leaf."""
        return Cid(1, RAW, digest) if self.raw_leaves else Cid(self.cid_version, DAG_PB, digest)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("unixfs-v1-2025", 1, 1 << 20, 1024, True, 256, 256 << 10, "block-bytes"),
        Profile("unixfs-v0-2015", 0, 256 << 10, 174, False, 256, 256 << 10, "links-bytes"),
    )
}
DEFAULT_PROFILE = "unixfs-v1-2025"


def find_profile(profile: Profile | str) -> Profile:
    """The profile of a name; a profile is its own."""
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ContentError(f"profile {profile!r}: have {sorted(PROFILES)}")
    return PROFILES[profile]
