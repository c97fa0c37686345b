"""How fast tokens come: PyTorch, our artifacts in openvino.genai, and optimum-cli's own exports.

    python benchmarks/generation.py text-generation=SMOLLM2 automatic-speech-recognition=WHISPER

Each argument is a task and a folder as Hugging Face has it. Ours are built by the steps of the
pipeline, theirs by `optimum-cli export openvino` at the same weights (int4 in groups of 64). Every
contender has a process of its own; they take turns, and a ratio is the median of the turns' own.
Times are of a whole request: prompt or sound, and 48 tokens after it; loading is left out.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.evidence import Generation
from pipeline.host import sandbox
from pipeline.host.sandbox import Child
from pipeline.host.walls import Access
from pipeline.spec import Limits, Model
from pipeline.steps import _served
from pipeline.steps._contenders import Input, Latencies
from pipeline.steps._source import Given

BASELINE = "PyTorch eager fp32"
SIZES = {
    "text-generation": {"prompt": 32, "new_tokens": 48},
    "automatic-speech-recognition": {"seconds": 12},  # of which 48 tokens are made
}
RECIPES: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "fp16": ("fp16", {}, ["--weight-format", "fp16"]),
    "int8": ("int8_weights", {}, ["--weight-format", "int8"]),
    "int4": ("int4_asym", {"group_size": 64}, ["--weight-format", "int4", "--group-size", "64"]),
}
LIMITS = Limits(deadline_s=3600)
Turn = Callable[[], Generation]


def build(model: Model, source: Path, scratch: Path) -> dict[str, Path]:
    """Our artifacts and optimum's, by the contender's name."""
    run: dict[str, Any] = {"scratch": scratch, "log": scratch / "log", "limits": LIMITS}
    made: dict[str, Path] = {}
    exported = scratch / "exported"
    write_ir, convert = "pipeline.steps.export:write_ir", "pipeline.steps.quantize:convert"
    access = Access(reads=(source,))
    sandbox.run(write_ir, model, source, exported, returns=dict[str, Any], access=access, **run)
    for name, (precision, options, flags) in RECIPES.items():
        ours, theirs = scratch / f"ours-{name}", scratch / f"optimum-{name}"
        none = scratch / "no-calibration"
        sandbox.run(
            convert, exported, precision, options, none, ours, returns=dict[str, Any], **run
        )
        task = ["--task", f"{model.task}-with-past"]
        command = ["optimum-cli", "export", "openvino", "--model", str(source), *task, *flags]
        subprocess.run([*command, str(theirs)], check=True, capture_output=True)
        made |= {f"ours {name}": ours, f"optimum-cli {name}": theirs}
    return made


def turns(
    model: Model, source: Path, scratch: Path, stack: contextlib.ExitStack
) -> dict[str, Turn]:
    """What each contender's turn is; all are loaded and have warmed up."""
    folders = build(model, source, scratch)
    name = _served.pipeline(folders["ours fp16"])
    if name is None:
        raise SystemExit(f"{model.task}: openvino.genai has nothing for it")
    path, access = scratch / "inputs.npz", Access(reads=(source, scratch))

    def started() -> Child:
        made = Child(scratch=scratch, log=scratch / "log", access=access, limits=LIMITS)
        return stack.enter_context(made)

    def original(child: Child) -> Generation:
        (made, *_) = child.call("latency", 0.0, returns=Latencies).generations
        return made

    def served(child: Child) -> Generation:
        (made, *_) = child.call("generations", path, 0.0, returns=list[Generation])
        return made

    files = (p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file())
    theirs, given = started(), Given(model, source, tuple(files))
    theirs.call("pipeline.steps._contenders:Original", given, returns=type(None))
    theirs.call("make_inputs", [SIZES[model.task]], [path], returns=list[Input])
    theirs.call("use_threads", len(os.sched_getaffinity(0)), returns=type(None))
    theirs.call("feed", path, 1, returns=type(None))
    made: dict[str, Turn] = {BASELINE: lambda: original(theirs)}
    for contender, folder in folders.items():
        child = started()
        child.call("pipeline.steps._served:Served", name, folder, "CPU", returns=type(None))
        made[contender] = lambda child=child: served(child)  # type: ignore[misc]
    return made


def compare(task: str, source: Path, repeats: int) -> None:
    """Print the table of one model."""
    fields = {"name": source.name, "source": f"file:{source}", "format": "transformers"}
    model = Model.from_dict(fields | {"task": task})
    with tempfile.TemporaryDirectory() as top, contextlib.ExitStack() as stack:
        contenders = turns(model, source, Path(top), stack)
        found: dict[str, list[Generation]] = {name: [] for name in contenders}
        for index in range(repeats):
            order = list(contenders) if index % 2 == 0 else list(reversed(contenders))
            for name in order:
                found[name].append(contenders[name]())
    rates = {name: [one.tokens_per_s for one in made] for name, made in found.items()}

    def ratio(name: str, other: str) -> str:
        pairs = zip(rates[name], rates[other], strict=True)
        return f"{statistics.median(mine / yours for mine, yours in pairs):.2f}"

    print(f"\n{source.name}, {task}, {repeats} turns\n")
    print("| | tokens per second | first token ms | times PyTorch | times optimum-cli |")
    print("|---|---|---|---|---|")
    for name, made in found.items():
        other = name.replace("ours", "optimum-cli")
        first = statistics.median(one.first_token_ms for one in made)
        against = ratio(name, other) if other != name else ""
        rate = statistics.median(rates[name])
        print(f"| {name} | {rate:.1f} | {first:.1f} | {ratio(name, BASELINE)} | {against} |")


def main() -> None:
    """Compare each model's contenders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="TASK=FOLDER")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    for named in arguments.models:
        task, _, folder = named.partition("=")
        compare(task, Path(folder).resolve(), arguments.repeats)


if __name__ == "__main__":
    main()
