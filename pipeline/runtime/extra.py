"""Libraries that the plain install lacks: who needs one is told in one line how to have it."""

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
_TORCH = ("torch", "PyTorch")


@contextmanager
def wanted(by: str) -> Iterator[None]:
    """What is imported in the block is wanted by something, as `pictures`.

    Raises:
        ToolError: it is not installed.
    """
    try:
        yield
    except ImportError as e:
        raise ToolError(f"{by}: {_lacking(e)}") from e


def hint(library: str) -> str:
    """How to have a library of the extra."""
    return f"{library}: pip install '{NAME}[run]'"


def _lacking(error: ImportError) -> str:
    said = " ".join(str(error).split())
    module = (error.name or "").partition(".")[0]
    for name, called in _RUN.items():
        if module == name or f"requires the {name} library" in said:
            return f"want {hint(called)}"
    if module == "torch" or any(name in said for name in _TORCH):
        return f"its processor wants PyTorch: pip install '{NAME}[build]'"
    return said
