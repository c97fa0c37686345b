"""What `ovpipe init` writes: the files at the top of this project, which it is built from itself.

A checkout has them there; a wheel has copies in pipeline/template/ (pyproject.toml, force-include).
"""

from pathlib import Path

GRID = "dvc.yaml"
PARAMS = "params.yaml"
DATA = ("data/calibration-texts.txt", "data/similarity-texts.tsv")  # what PARAMS names
DVC_CONFIG = ".dvc/config"
DVCIGNORE = ".dvcignore"
ALL = (GRID, PARAMS, *DATA, DVC_CONFIG, DVCIGNORE)
_PACKAGE = Path(__file__).parents[1]


def packaged(name: str) -> str:
    """Where in pipeline/ a wheel holds the file of that name; DVC must not know it there."""
    return f"template/{name.removeprefix('.').replace('/', '-')}.template"


def read(name: str) -> bytes:
    """The file of that name: one of `ALL`."""
    copy = _PACKAGE / packaged(name)
    return (copy if copy.exists() else _PACKAGE.parent / name).read_bytes()
