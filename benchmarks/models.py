"""What comes of a model of every task, written into docs/models.md.

    python benchmarks/models.py [--only TASK ...]
    python benchmarks/models.py --zoo [ROW ...]

Makes a project as `ovpipe init` does, and for each task lets `ovpipe build` bring its models
(tests/every_task.py) through; the catalog of that run becomes the task's part of the document. With
`--only` those of other tasks stay as they are. With `--zoo` it is the rows of zoo/params.yaml, all
or those that are named, in the project of `make zoo`. It wants two CPUs: OpenVINO 2026.4.1, which
runs at bf16 by default where the CPU can, dies there of SIGFPE with one thread of a language model.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import real  # noqa: E402 - from tests/
from every_task import BROUGHT, Brought  # noqa: E402

from benchmarks import outcomes  # noqa: E402
from pipeline import bounds, kinds, spec, toolchain  # noqa: E402
from pipeline.errors import PipelineError  # noqa: E402
from pipeline.layout import Layout  # noqa: E402
from pipeline.steps.catalog import Catalog  # noqa: E402
from zoo import build as zoo  # noqa: E402

DOCUMENT = ROOT / "docs" / "models.md"
TASKS, ZOO = "## Tasks\n", "## Zoo\n"
MEASURED = {
    "precisions": {
        "fp32": {}, "fp16": {}, "int8_weights": {},
        "int8": {"preset": "mixed", "model_type": "transformer"},
    },
    "devices": ["CPU"],
    "benchmark": {"seconds": 0.5, "rounds": 5},
}  # fmt: skip
# For random weights; at the pinned instruction set OpenVINO crashes over wav2vec2.
FEW: Mapping[str, Any] = {"int8": {"quantize": {"subset_size": 32, "isa": "host"}}}
TIMEOUT_S = 1800  # of a task
VERSIONS = ("openvino", "nncf", "optimum-intel", "transformers", "torch", "openvino-genai")
RUNTIMES = ("openvino", "nncf", "torch", "onnxruntime", "ai-edge-litert")
INTRODUCTION = """
Written by `benchmarks/models.py`, which builds these models with `ovpipe build` in a project of
its own. A model is `real`, with what it is judged on, or `conversion only`: of random weights a
figure says how near the artifact is to the original and nothing of its worth. All are held to the
default gate of their task, which random weights may miss: their outputs are all but ties.
Figures are those at the device's default
execution precision (`at`), which is what a consumer gets; one with labels has how much worse than
the original's it is, and the 95 % interval of that. `x` is the latency against PyTorch eager fp32
in the same run, in which `others` had so much of the CPUs: where that is over 10 %, `x` is rough.
Tokens per second are ours, the original's and, where it serves the task, openvino.genai's; a
real-time factor (ours, the original's) below 1 keeps up.
"""
OF_ZOO = """
Written by `benchmarks/models.py --zoo`, which builds the rows of `zoo/params.yaml` as `make zoo`
does ([zoo.md](zoo.md)): trained models that others made, in every format. Columns are those of
[Tasks](#tasks), but `x` is the latency against the runtime that is named, in which the original
runs; it is rough where `others` is over 10 %. A variant that is refused by a bound has its figures
all the same; where the bound is missed at bf16 alone, a consumer on such a CPU sets
`INFERENCE_PRECISION_HINT` to `f32`.
"""


def params(task: str, folder: Path) -> dict[str, Any]:
    """params.yaml for the models of a task, which are put into the folder if they lie nowhere."""
    models: dict[str, Any] = {}
    variants: dict[str, Any] = {}
    for name, brought in names(task).items():
        (place := folder / name).mkdir(parents=True)
        models[name] = {"format": "transformers", "task": task, **brought.make(place)}
        for precision in brought.precisions:
            variants[f"{name}-{precision}"] = {"model": name, "precision": precision}
            if not brought.data:
                variants[f"{name}-{precision}"] |= FEW.get(precision, {})
    return {"models": models, "variants": variants, **MEASURED}


def names(task: str) -> Mapping[str, Brought]:
    """The models of a task by the names that they have in params.yaml."""
    return {f"{task}-{number}": brought for number, brought in enumerate(BROUGHT[task])}


def build(task: str, project: Path) -> Catalog:
    """What the pipeline makes of the models of a task.

    Raises:
        PipelineError: something failed that may go well the next time.
    """
    layout = Layout(project)
    made = params(task, project / "models")
    layout.params.write_text(json.dumps(made, default=str), encoding="utf-8")
    layout.catalog.unlink(missing_ok=True)
    said = ovpipe("build", project)
    if not layout.catalog.exists():
        raise PipelineError(f"{task}: {said}")
    listed = Catalog.read(layout.catalog)
    if listed.failures:
        raise PipelineError(f"{task}: {'; '.join(map(str, listed.failures))}")
    return listed


def ovpipe(command: str, folder: Path) -> str:
    """What a command says that may refuse."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["ovpipe", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return ended.stdout + ended.stderr


def row_of_zoo(row: str, listed: Catalog, layout: Layout) -> str:
    """A row's part of the document: where it is from, what it is timed against, and its table."""
    model, variants = spec.read(layout.params).model(row), zoo.variants(row)
    every = [e for e in (*listed.artifacts, *listed.refusals) if e.variant in variants]
    runs = {m.baseline.name for entry in every for b in entry.benchmarks for m in b.measurements}
    told = "; ".join(
        [f"`{model.source}`, task `{model.task}`", *(f"`x` against {r}" for r in runs)]
    )
    table = outcomes.table(bounds.of_model(model), variants, listed, layout)
    return "\n".join([where(RUNTIMES), "", told, "", *table, ""])


def part(task: str, listed: Catalog, layout: Layout) -> str:
    """A task's part of the document: each of its models, with a table."""
    lines, models = [where()], spec.read(layout.params).models
    for name, brought in names(task).items():
        told = f"real: {brought.data}" if brought.data else "conversion only (random weights)"
        variants = [f"{name}-{precision}" for precision in brought.precisions]
        lines += [
            f"\n{brought.called}; {told}\n",
            *outcomes.table(bounds.of_model(models[name]), variants, listed, layout),
        ]
    return "\n".join([*lines, ""])


def where(distributions: Sequence[str] = VERSIONS) -> str:
    """This machine, and what ran on it."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    count = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} CPUs"
    versions = (f"{name} {have}" for name, have in toolchain.versions(distributions).items())
    today = datetime.datetime.now(datetime.UTC).date()
    return f"{today}, {cpu[1] if cpu else 'a CPU'}, {count}; {', '.join(versions)}."


def write(heading: str, introduction: str, name: str, part: str, names: Iterable[str]) -> None:
    """Put the part of a task or a row into a section of the document, in the order of the names."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(heading)
    section, mark, after = rest.partition("\n## ")
    parts = dict(one.split("\n", 1) for one in section.split("\n### ")[1:])
    parts[f"`{name}`"] = part
    order = [f"`{name}`" for name in names if f"`{name}`" in parts]
    told = "".join(f"\n### {name}\n\n{parts[name].strip()}\n" for name in order)
    text = f"{before.rstrip()}\n\n{heading}{introduction}{told}{mark}{after}"
    DOCUMENT.write_text(text, encoding="utf-8")


def main() -> None:
    """Bring the models of each task through, and write down what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", metavar="TASK", choices=BROUGHT, default=BROUGHT)
    parser.add_argument("--zoo", nargs="*", metavar="ROW")
    given = parser.parse_args()
    if given.zoo is not None:
        return write_zoo(given.zoo or list(zoo.params()["models"]))
    tasks = given.only
    if not real.is_downloaded(ROOT / ".work"):
        raise SystemExit("no models: `make .work/soak/downloaded` downloads them")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        ovpipe("init", project)
        failed = []
        for task in tasks:
            try:
                told = part(task, build(task, project), Layout(project))
                write(TASKS, INTRODUCTION, task, told, BROUGHT)
                print(task, flush=True)
            except (PipelineError, subprocess.TimeoutExpired) as e:
                failed.append(task)
                print(e, flush=True)
    return say(failed)


def write_zoo(rows: Sequence[str]) -> None:
    """Build rows of the zoo, and write down what came out."""
    os.environ[kinds.VARIABLE] = str(zoo.HERE / "kinds")
    kept = zoo.prepare(rows)
    listed = zoo.build()
    late = {variant for failure in listed.failures for variant in failure.variants}
    failed = [row for row in rows if row not in kept or late & {*zoo.variants(row)}]
    for row in rows:
        if row not in failed:
            told = row_of_zoo(row, listed, Layout(zoo.PROJECT))
            write(ZOO, OF_ZOO, row, told, zoo.params()["models"])
    return say(failed)


def say(failed: Sequence[str]) -> None:
    """End with 1 if anything failed."""
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; their parts are as they were")


if __name__ == "__main__":
    main()
