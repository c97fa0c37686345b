"""Arabic given names with the most frequent Latin spelling of each (Wikidata and others).

They are those of arabic-name-romanizer's own table, on which its model was trained: what is lost on
the way shows, what it is worth does not.
"""

import sqlite3
from collections import Counter, defaultdict
from pathlib import Path

from zoo.makers import SITE

TABLE = SITE / "arabic_name_romanizer" / "resources" / "names.sqlite3"
JUDGED, CALIBRATED = 400, 100
PERSIAN = ("AF", "IR", "PK")  # which another model is for


def make(out: Path) -> None:
    """Write validation.tsv (text, target) and calibration.txt, which has none of its names."""
    names = _names()
    chosen = names[: 2 * JUDGED : 2]
    rows = "".join(f"{name}\t{latin}\n" for name, latin in chosen)
    (out / "validation.tsv").write_text(f"text\ttarget\n{rows}", encoding="utf-8")
    others = [name for name, _ in names[1 : 2 * JUDGED : 2]][:CALIBRATED]
    (out / "calibration.txt").write_text("\n".join([*others, ""]), encoding="utf-8")


def _names() -> list[tuple[str, str]]:
    """Names and how they are written, the frequent ones first."""
    written: dict[str, Counter[str]] = defaultdict(Counter)
    with sqlite3.connect(f"file:{TABLE}?mode=ro", uri=True) as table:
        for name, latin, country, count in table.execute(
            "select arabic_key, latin, country, count from units where role = 'given'"
        ):
            if country not in PERSIAN:
                written[name][latin] += count
    order = sorted(written, key=lambda name: (-written[name].total(), name))
    return [(name, min(written[name], key=lambda w: (-written[name][w], w))) for name in order]
