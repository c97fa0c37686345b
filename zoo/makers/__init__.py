"""What the models of the zoo are judged by and calibrated on: one file each, with `make(out)`.

Each fills the folder of its own name in the project's `data/`, out of the packages of
requirements.lock and this repository alone. Labels follow from how inputs are made, or are the
packages' own: no model has a say in them. What is looked at in calibration is never judged.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
ZOO = ROOT / ".work" / "zoo"
SITE = ZOO / "site"
SPHINX = SITE / "pocketsphinx-5.1.1"
