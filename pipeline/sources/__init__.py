"""Where models come from: one file per kind, named as the part of `source` before the colon.

Each has
    PINNED                          whether the location itself fixes every byte, by a hash
    check(location)                 raises SpecError if the location cannot be one of this kind
    fingerprint(location, wanted, sha256)
                                    changes when what fetch would deliver changes; no network;
                                    sha256(path) is quick for files that stayed as they were
    access(location)                what fetching it may reach, beside a folder to write to
    fetch(location, wanted, out)    copies the wanted files of one revision, returns their Origin

and may have
      suggest(text)                   what a source that was written without a kind would be as one
      names(location)                 the paths of its files, where that takes no network
"""

from pipeline.record import Record

INTERFACE = ("PINNED", "check", "fingerprint", "access", "fetch")


class Origin(Record):
    """What the origin says of the files it gave.

    Args:
        revision: what pins them: a commit, a package version, a digest.
        license: the license identifier that the origin states, if it does.
        sha256: the digests that the origin states, by path; held against what arrived.
    """

    revision: str
    license: str | None
    sha256: dict[str, str]
