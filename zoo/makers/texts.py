"""The texts of this repository's own `data/`: pairs of sentences with a score, and others."""

import shutil
from pathlib import Path

from zoo.makers import ROOT


def make(out: Path) -> None:
    """Copy validation.tsv and calibration.txt."""
    shutil.copyfile(ROOT / "data" / "similarity-texts.tsv", out / "validation.tsv")
    shutil.copyfile(ROOT / "data" / "calibration-texts.txt", out / "calibration.txt")
