"""What all that call NNCF share: its refusals are one line of ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import PrecisionError
from pipeline.networks.weights import IgnoredScope

if TYPE_CHECKING:
    import nncf


@contextmanager
def speaking(precision: str) -> Iterator[None]:
    """A call of NNCF, of which only the message of a refusal comes out.

    Raises:
        PrecisionError: NNCF cannot take the network, the data or an option (a pattern).
    """
    import nncf

    try:
        yield
    except (
        nncf.InternalError,
        nncf.InvalidGroupSizeError,
        nncf.InvalidQuantizerGroupError,
        nncf.ParameterNotSupportedError,
        nncf.UnsupportedDatasetError,
        nncf.UnsupportedModelError,
        nncf.ValidationError,
        re.error,
    ) as e:
        raise PrecisionError(f"precision {precision}: NNCF: {' '.join(str(e).split())}") from e


def ignored(scope: IgnoredScope) -> "nncf.IgnoredScope":
    """What a recipe leaves as it is, as NNCF takes it."""
    import nncf

    return nncf.IgnoredScope(**scope.to_dict())
