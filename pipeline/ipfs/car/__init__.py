"""CAR archives: a DAG as one stream of blocks, each after its CID.

Written straight from the folder: version 1, one root, root first, depth first, each block once, so
the same DAG gives the same bytes. Read with suspicion, version 1 and 2: a length is bounded before
it is believed, and every block is hashed.

    with open("model.car", "wb") as stream:
        write(dag, stream)
    extract(Path("model.car"), dag.root, out)
    import_path(out).root == dag.root

Sources: CARv1 (https://ipld.io/specs/transport/car/carv1/) and CARv2
(https://ipld.io/specs/transport/car/carv2/).
"""

from pipeline.ipfs.car.reader import CarFile, blocks, extract
from pipeline.ipfs.car.writer import car_size, pieces, write
from pipeline.ipfs.unixfs import DEFAULT_BUDGET, Budget

__all__ = [
    "DEFAULT_BUDGET",
    "Budget",
    "CarFile",
    "blocks",
    "car_size",
    "extract",
    "pieces",
    "write",
]
