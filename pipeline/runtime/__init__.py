"""Running artifacts: from a name to verified bytes in memory, a device, and answers.

    load("minilm")(["a text", "another"])

`load` raises, is typed, and is what to use; `backend.py` speaks the dictionaries of IPFS
Accelerate.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.runtime.loaded import Loaded as Loaded
    from pipeline.runtime.loaded import load as load


def __getattr__(name: str) -> Any:
    """What is looked up on demand: the store is here too, and needs nothing that knows a model."""
    if name not in ("Loaded", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.runtime import loaded

    return getattr(loaded, name)
