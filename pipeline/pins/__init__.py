"""Where artifacts are published: one file per kind of target, named as in `pins:` of params.yaml.

Each has
    Options                     a Record: an entry of `pins:`, without `target`
    pin(name, dag, options)     makes the target hold the DAG and returns the proof that it does

`name` is what the target may call it, the variant. Pinning what is pinned already changes nothing
and gives the same proof. Nothing is believed of a target that can be read back: it has pinned the
artifact when every block came back and was hashed. What fails or stops in the middle goes on when
`pin` is called again.
"""

from pipeline.record import Record

INTERFACE = ("Options", "pin")


class ReadBack(Record):
    """Every block came back from the target, and was the one that its CID names.

    Args:
        location: the endpoint, without credentials, or the path of a file.
    """

    location: str
    blocks: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.blocks} blocks ({self.size_bytes} bytes) read back from {self.location}"


class Statement(Record):
    """A service says that it has pinned the CID; no more can be had without fetching it.

    Args:
        location: the endpoint, without credentials.
        request_id: under which the service knows the pin.
        created: when the service says that it took the request.
    """

    location: str
    request_id: str
    created: str

    def __str__(self) -> str:
        return f"request {self.request_id} is pinned, says {self.location}"


class Receipt(Record):
    """The proof that a target holds an artifact.

    Args:
        target: its name in `pins:` of params.yaml.
        kind: what it is: a member of this family.
    """

    variant: str
    cid: str
    profile: str
    target: str
    kind: str
    proof: ReadBack | Statement

    def __str__(self) -> str:
        return f"{self.variant}: {self.cid} is held by {self.target}: {self.proof}"
