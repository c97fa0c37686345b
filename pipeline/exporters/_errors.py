"""What transformers and optimum-intel say of a model's files, in one line of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import ExportError
from pipeline.host import reasons


@contextmanager
def told(where: str) -> Iterator[None]:
    """Translates what a library raises because of the model's files.

    Args:
        where: the model, and what was made of it.

    Raises:
        ExportError: the library would not have them.
    """
    try:
        yield
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as e:
        if isinstance(e, OSError) and e.errno is not None:  # of the machine
            raise
        raise ExportError(f"{where}: {reasons.said(e)}") from e
