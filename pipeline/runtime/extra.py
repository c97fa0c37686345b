"""Libraries that the plain install lacks: who needs one is told in one line how to have it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import ToolError

NAME = "openvino-ipfs-pipeline"
# Of an extra, the modules that are looked for and what messages of transformers call them.
_RUN = {
    "transformers": "transformers",
    "PIL": "Pillow",
    "soundfile": "soundfile",
    "scipy": "SciPy",
    "openvino_genai": "openvino-genai",
}
_TORCH = f"its processor wants PyTorch: pip install '{NAME}[build]'"


@contextmanager
def wanted(by: str) -> Iterator[None]:
    """What is imported in the block is wanted by something, as `pictures`.

    Raises:
        ToolError: it is not installed.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that PyTorch was not found
    try:
        yield
    except ImportError as e:
        raise ToolError(f"{by}: {_lacking(e)}") from e
    except NameError as e:  # transformers uses what it could not import
        if e.name != "torch":
            raise
        raise ToolError(f"{by}: {_TORCH}") from e


def hint(library: str) -> str:
    """How to have a library of the extra."""
    return f"{library}: pip install '{NAME}[run]'"


def _lacking(error: ImportError) -> str:
    said = " ".join(str(error).split())
    module = (error.name or "").partition(".")[0]
    for name, called in _RUN.items():
        if module == name or f"requires the {name} library" in said:
            return f"want {hint(called)}"
    if module == "torch" or "PyTorch" in said:
        return _TORCH
    return said
