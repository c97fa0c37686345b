"""Builds the zoo, or some of its rows: `make zoo`, `make zoo ROWS="magika blazeface"`.

A row is a model of params.yaml with its variants. Its data is made, and `ovpipe build` brings it
through in a project of its own, .work/zoo/project, as a user's would be. Ends with 1 if anything
failed, was refused that should not be, or is there that should be refused (REFUSED).
"""

import argparse
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import manifest
from pipeline.host import atomic
from pipeline.layout import Layout
from pipeline.steps import _repository
from pipeline.steps._templates import DVC_CONFIG, DVCIGNORE, GRID, read
from pipeline.steps.catalog import Catalog
from zoo import same
from zoo.makers import ROOT, SITE, ZOO

sys.path.append(str(SITE))  # of which a class of PyTorch is imported, and nothing else
HERE = ROOT / "zoo"
PROJECT = ZOO / "project"
# What is refused, by what its reason must say.
REFUSED: Mapping[str, str] = {
    "selfie-segmentation-fp32": "Convolution2DTransposeBias",
    "silero-vad-dynamic-fp32": "Conv-16.*rank",
    "silero-vad-jit-fp32": "aten::cat",
    "quire-tagger-fp32": "int8",
    "quire-tagger-fp16": "int8",
    "romanizer-int8": "openvino_encoder_model",  # NNCF takes no GRU
}
# What may miss a bound, and why: the figures are the point.
LOSES: Mapping[str, str] = {
    "lite0-int8": "17 of 20 pictures where it was 18; `ovpipe explain lite0-int8` says why",
    "lite0-script-int8": "as lite0",
    "lite0-seen-int8": "16 of 20 pictures where it was 18",
    "magika-fp32": "bf16, where the CPU runs at that by default, is too coarse for it",
    "magika-fp16": "as at fp32",
    "magika-int8": "as at fp32",
}


def params() -> dict[str, Any]:
    """The contents of params.yaml."""
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(HERE / "params.yaml")
    return found


def variants(row: str) -> list[str]:
    """The variants of a row, in their order."""
    return [name for name, entry in params()["variants"].items() if entry["model"] == row]


def prepare(rows: Collection[str]) -> list[str]:
    """Write the project for these rows, with their data; the rows that can be built here."""
    whole = params()
    lacking = {row: _lacking(whole["models"][row]) for row in rows}
    for row, lacks in lacking.items():
        if lacks:
            print(f"{row}: left out: {lacks}", file=sys.stderr)
    kept = [row for row in rows if not lacking[row]]
    if not kept:
        return []
    _make_project()
    models = {row: _with_digest(whole["models"][row]) for row in kept}
    chosen = {name: v for name, v in whole["variants"].items() if v["model"] in kept}
    text = json.dumps(whole | {"models": models, "variants": chosen}, indent=1)
    atomic.write_text(text, PROJECT / "params.yaml", Layout(PROJECT).work)
    return kept


def _make_project() -> None:
    """A repository of its own, with the grid and what params.yaml names of this folder."""
    PROJECT.mkdir(parents=True, exist_ok=True)
    if not (PROJECT / ".dvc").exists():
        if not (PROJECT / ".git").exists():
            _repository.make_git(PROJECT)
        _repository.make_dvc(PROJECT, read(DVC_CONFIG))
    for name in (GRID, DVCIGNORE):
        (PROJECT / name).write_bytes(read(name))
    shutil.copyfile(HERE / "factories.py", PROJECT / "factories.py")
    shutil.rmtree(PROJECT / "kinds", ignore_errors=True)
    shutil.copytree(HERE / "kinds", PROJECT / "kinds", ignore=shutil.ignore_patterns("__pycache__"))


def _makers(entry: dict[str, Any]) -> set[str]:
    """What makes the data that an entry names."""
    named = (str(entry.get(key, "")) for key in ("source", "calibration", "validation"))
    return {found[1] for text in named if (found := re.match(r"(?:file:)?data/(\w+)/", text))}


def _lacking(entry: dict[str, Any]) -> str:
    """What is not here of what a row wants; its data is made meanwhile."""
    for name in sorted(_makers(entry)):
        maker = importlib.import_module(f"zoo.makers.{name}")
        if hasattr(maker, "lacks") and (lacks := maker.lacks()):
            return str(lacks)
        _make(name)
    return ""


def _make(name: str) -> None:
    """Fill the project's data/NAME, unless what decides it is as it was."""
    files = (HERE / "makers" / f"{name}.py", HERE / "factories.py", HERE / "requirements.lock")
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    made, stamp = PROJECT / "data" / name, ZOO / "made" / name
    if made.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    print(f"making data/{name}", file=sys.stderr)
    shutil.rmtree(made, ignore_errors=True)
    with atomic.building(ZOO, f"made-{name}") as scratch:
        built = atomic.folder(scratch / name)
        importlib.import_module(f"zoo.makers.{name}").make(built)
        atomic.publish(built, made)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest)


def _with_digest(entry: dict[str, Any]) -> dict[str, Any]:
    """A model that is made here, and is a pickle, with the digest that pins it."""
    if "allow" not in entry or "sha256" in entry:
        return entry
    folder = PROJECT / Path(entry["source"].removeprefix("file:")).parent
    return entry | {"sha256": manifest.digest(manifest.of_folder(folder))}


def build() -> Catalog:
    """What `ovpipe build` makes of the project; it speaks for itself."""
    layout = Layout(PROJECT)
    layout.catalog.unlink(missing_ok=True)
    found = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SITE)]),
    }
    subprocess.run(["ovpipe", "build"], cwd=PROJECT, env=os.environ | found, check=False)  # noqa: S607
    if not layout.catalog.exists():
        raise SystemExit(1)  # which it said itself
    return Catalog.read(layout.catalog)


def unmeant(listed: Catalog) -> Iterator[str]:
    """A line for each variant of which something else came than should."""
    for failure in listed.failures:
        yield f"failed: {failure}"
    for refused in listed.refusals:
        if refused.stage == "package" and refused.variant in LOSES:
            continue
        wanted = REFUSED.get(refused.variant)
        if wanted is None or not re.search(wanted, refused.reason):
            yield f"refused: {refused}"
    for entry in listed.artifacts:
        if entry.variant in REFUSED:
            yield f"not refused: {entry.variant}: want {REFUSED[entry.variant]!r}"


def main() -> None:
    """Build the rows that are named, or all."""
    parser = argparse.ArgumentParser(prog="make zoo")
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[[], *params()["models"]])
    rows = parser.parse_args().rows or list(params()["models"])
    if not SITE.exists():
        raise SystemExit("no packages: `make zoo` downloads them")
    if not (kept := prepare(rows)):
        raise SystemExit("nothing to build here")
    lines = list(unmeant(build()))
    for row, distance in same.apart(kept, Layout(PROJECT), params()["models"]):
        print(f"{row}: at most {distance:.1e} from the same model in another format")
        if distance > same.MOST:
            lines.append(f"{row}: want at most {same.MOST:.0e}")
    if lines:
        raise SystemExit("\n".join(["zoo: not as it should be", *lines]))
    print("zoo: as it should be")


if __name__ == "__main__":
    main()
