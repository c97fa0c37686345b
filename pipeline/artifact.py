"""The artifact: a folder known by its CID, and what is kept of it beside the folder."""

from pathlib import Path

from pipeline import refusal
from pipeline.gate import Verdict
from pipeline.manifest import FileEntry
from pipeline.provenance import Provenance
from pipeline.record import Record
from pipeline.refusal import Refusal

ARTIFACT = "artifact.json"


class Artifact(Record):
    """A folder known by its CID, how it was made, and how its gate judged it."""

    variant: str
    cid: str
    profile: str
    size_bytes: int
    files: tuple[FileEntry, ...]
    provenance: Provenance
    verdicts: tuple[Verdict, ...]

    @property
    def unmet(self) -> tuple[Verdict, ...]:
        """The bounds that were not met."""
        return tuple(verdict for verdict in self.verdicts if not verdict.met)


def read(package: Path) -> Artifact | Refusal:
    """What `package` left in a folder.

    Raises:
        EvidenceError: there is nothing.
    """
    return refusal.read(package) or Artifact.read(package / ARTIFACT)


def judged(refused: Refusal) -> Artifact | None:
    """The artifact that its gate refused; None where something else was amiss."""
    return Artifact.from_dict(refused.facts) if refused.facts else None
