"""release: the build fails here if anything was refused, after all else is there."""

from pipeline.errors import RefusedError
from pipeline.steps.catalog import Catalog


def release(listed: Catalog) -> None:
    """Fail if anything was refused.

    Raises:
        RefusedError: one line that names every refusal with its reason.
    """
    if listed.refusals:
        reasons = " | ".join(str(refused) for refused in listed.refusals)
        raise RefusedError(f"refused {len(listed.refusals)}: {reasons}")
