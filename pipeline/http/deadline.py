"""A moment by which something must be over."""

import time
from dataclasses import dataclass, field

from pipeline.errors import TransferError

MAX_SILENCE_S = 30.0


@dataclass(frozen=True)
class Deadline:
    """A moment by which something must be over, and how long one operation may bring nothing."""

    seconds: float
    silence_s: float = MAX_SILENCE_S
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", time.monotonic() + self.seconds)

    def within(self, seconds: float) -> "Deadline":
        """A deadline for one step: so many seconds from now, and never later than this one."""
        return Deadline(max(min(seconds, self.ends - time.monotonic()), 0.0), self.silence_s)

    def left(self) -> float:
        """Seconds that are left, at most `silence_s` for one operation.

        Raises:
            TransferError: none is left.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TransferError(f"not done within {self.seconds:.3g} s")
        return min(left, self.silence_s)
