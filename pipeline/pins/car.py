"""`car`: a CAR in a folder, named by its CID; there is nothing to install or to run.

The file appears whole or not at all. One that is there already is read back and, if it is good,
left alone.
"""

from contextlib import suppress
from pathlib import Path

from pipeline.errors import PinError, PipelineError
from pipeline.host import atomic
from pipeline.ipfs import car
from pipeline.ipfs.unixfs import Dag
from pipeline.layout import Layout
from pipeline.pins import ReadBack
from pipeline.pins._read_back import read_back
from pipeline.record import Place, Record


class Options(Record):
    """Where to.

    Args:
        folder: absolute, or relative to the project's root.
    """

    folder: Place = str(Layout().cars)


def pin(name: str, dag: Dag, options: Options) -> ReadBack:
    """Write <folder>/<CID>.car and read it back.

    Raises:
        PinError: what was written does not come back.
        IntegrityError: the artifact's folder changed in the meantime.
    """
    path = Path(options.folder) / f"{dag.root}.car"
    if path.exists():
        with suppress(PipelineError):  # a damaged one is written again
            return _read_back(dag, path)
    _write(dag, path, path.with_name(f".{name}.partial"))
    return _read_back(dag, path)


def _write(dag: Dag, path: Path, partial: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.unlink(missing_ok=True)  # what a killed process left
    try:
        with partial.open("xb") as file:
            car.write(dag, file)
        atomic.publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _read_back(dag: Dag, path: Path) -> ReadBack:
    expected, found = car.car_size(dag), path.stat().st_size
    if found != expected:
        raise PinError(f"{path}: {found} bytes: the CAR of {dag.root} has {expected}")
    with path.open("rb") as file:
        archive = car.CarFile(file)
        archive.only_root(dag.root)
        return read_back(dag, lambda block: archive.read(block.cid), str(path))
