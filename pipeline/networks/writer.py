"""The only writer of OpenVINO IR; what it writes is canonical.

The same model gives the same bytes, whichever process wrote it and however many models it made
before, and what consumers look for by name stays: operations that the source named, and the rt_info
that somebody reads (canonical.py, stamps.py, docs/artifact-format.md).
"""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.networks import canonical, stamps
from pipeline.networks.ir import MODEL

if TYPE_CHECKING:
    import openvino as ov


def copy_beside(source: Path, out: Path, wanted: Callable[[str], bool]) -> None:
    """Copy what lies beside networks: the files of a folder whose POSIX paths are wanted."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file() and wanted(name):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / name)


def write(
    model: "ov.Model", folder: Path, name: str = MODEL, *, keep: Collection[str] = ()
) -> dict[str, Any]:
    """Write a model as canonical IR.

    Args:
        model: what to write; stays as it is.
        folder: where, existing.
        name: stem of the two files.
        keep: names that some source gave although they look generated, as those of ONNX nodes do;
            when a model was made from one that was read, `canonical.names` of that.

    Returns:
        The rt_info that was left out of the file, for the provenance.
    """
    import openvino as ov

    model = model.clone()  # in it, bodies share no constants with the graph around them
    removed = stamps.take(model)
    canonical.order_states(model)
    canonical.rename(model, name, keep)
    ov.serialize(model, folder / f"{name}.xml", folder / f"{name}.bin")
    return removed
