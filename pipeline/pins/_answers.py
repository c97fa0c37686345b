"""What servers say, of which only the fields that are used are read, and those strictly."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ContentError, PinError
from pipeline.ipfs.cid import Cid

MAX_BYTES = 1 << 20  # of an answer that is no block


class Stated(BaseModel):
    """JSON of a server."""

    model_config = ConfigDict(strict=True)

    @classmethod
    def read(cls, body: bytes, where: str) -> Self:
        """What a body says.

        Raises:
            PinError: something else.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError as e:
            problem = e.errors(include_url=False, include_input=False)[0]
            key = ".".join(map(str, problem["loc"])) or "answer"
            raise PinError(f"{where}: {key}: {problem['msg']}") from e


def names(text: str, cid: Cid) -> bool:
    """Whether a text is this CID, in whatever base."""
    try:
        return Cid.parse(text) == cid
    except ContentError:
        return False


def quoted(said: str) -> str:
    """The beginning of what a server said, fit for a terminal."""
    return repr(said[:200])
