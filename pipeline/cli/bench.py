"""ovpipe bench: options and report are those of OpenVINO's benchmark_app."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli._answers import Answer, answers

if TYPE_CHECKING:
    from pipeline.runtime.bench import Asked, Measured

REPORT = "benchmark_report.json"
_HINTS = ("throughput", "tput", "cumulative_throughput", "ctput", "latency", "none")


@click.command("bench")
@click.argument("name")
@click.option("-d", "device", default="CPU", show_default=True, help="As GPU.1, or AUTO:GPU,CPU.")
@click.option(
    "-hint",
    "hint",
    type=click.Choice(_HINTS),
    default="throughput",
    show_default=True,
    help="What the device is tuned for; latency runs one request after another, others a queue.",
)
@click.option("-nstreams", "streams", help="Streams, or for each device as CPU:2,GPU:1.")
@click.option("-nthreads", "threads", type=click.IntRange(min=1), help="Threads of the CPU.")
@click.option("-b", "batch", type=click.IntRange(min=1), help="Batch: the inputs' first dimension.")
@click.option(
    "-shape",
    "shape",
    help="As input_ids[1,16],attention_mask[1,16], or [1,3,224,224] of a network with one input.",
)
@click.option(
    "-infer_precision", "infer_precision", help="As bf16, or for each device CPU:bf16,GPU:f16."
)
@click.option(
    "-t",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="For how many seconds.",
)
@click.option(
    "-json_stats",
    "json_stats",
    type=click.BOOL,
    is_flag=False,
    flag_value="true",
    default=False,
    help=f"Write {REPORT}, with the keys of benchmark_app, into the working folder.",
)
@click.option(
    "--precision", default="auto", show_default=True, help="Of the artifact, if NAME has several."
)
@answers
def command(
    name: str,
    device: str,
    hint: str,
    streams: str | None,
    threads: int | None,
    batch: int | None,
    shape: str | None,
    infer_precision: str | None,
    seconds: float,
    json_stats: bool,
    precision: str,
) -> Answer:
    """Measure how fast NAME is here: a path, a CID, a variant or a model, or a Hugging Face id."""
    from pipeline.record import to_json
    from pipeline.runtime import devices
    from pipeline.runtime.bench import Asked, measure
    from pipeline.runtime.names import Wanted, locate

    requested = devices.parse(device)
    execution = infer_precision if infer_precision and ":" not in infer_precision else "default"
    wanted = Wanted(precision=precision, device=str(requested), execution=execution)
    located = locate(name, wanted)
    asked = Asked(requested, hint, streams, threads, batch, shape, infer_precision, seconds)
    measured = measure(located.held, asked)
    given = {
        "-m": name,
        "-d": device,
        "-hint": hint,
        "-nstreams": streams,
        "-nthreads": threads,
        "-b": batch,
        "-shape": shape,
        "-infer_precision": infer_precision,
        "-t": seconds,
    }
    report = {
        "cmd_options": {key: str(value) for key, value in given.items() if value is not None},
        "configuration_setup": _setup(asked, measured),
        "execution_results": _results(measured),
    }
    if json_stats:
        Path(REPORT).write_text(to_json(report), encoding="utf-8")
    fields = {"cid": located.held.cid, "why": located.why, "left_out": list(requested.left_out)}
    lines = _lines(measured, report["execution_results"])
    return Answer(fields | report, "\n".join([located.why, *requested.left_out, *lines]))


def _setup(asked: "Asked", measured: "Measured") -> dict[str, str]:
    """How it ran, under benchmark_app's names, and what those leave out."""
    shapes = (f"{name}{list(shape)}" for name, shape in measured.shapes.items())
    facts: dict[str, object] = {
        "target device": asked.device,
        "API": "sync" if asked.hint == "latency" else "async",
        "inference_only": True,
        "precision": measured.execution_precision,
        "batch size": measured.batch,
        "number of parallel infer requests": measured.requests,
        "duration (ms)": int(asked.seconds * 1e3),
        "execution devices": ",".join(measured.execution_devices),
        "shapes": ",".join(shapes),
        "streams": measured.streams,
        "threads": measured.threads,
    }
    return {key: str(value) for key, value in facts.items() if value is not None}


def _results(measured: "Measured") -> dict[str, str]:
    """What was measured, under benchmark_app's names."""
    latencies = measured.latencies_ms
    figures = {
        "read model time (ms)": measured.read_ms,
        "compile model time (ms)": measured.compile_ms,
        "first inference time (ms)": measured.first_ms,
        "total execution time (ms)": measured.total_ms,
        "latency (ms)": measured.median_ms,
        "avg latency": sum(latencies) / len(latencies),
        "min latency": min(latencies),
        "max latency": max(latencies),
        "throughput": measured.per_s,
    }
    counted = {"total number of iterations": str(len(latencies))}
    return {name: f"{figure:.2f}" for name, figure in figures.items()} | counted


def _lines(measured: "Measured", results: dict[str, str]) -> list[str]:
    where = ",".join(measured.execution_devices)
    counts = {s: getattr(measured, s) for s in ("requests", "streams", "threads")}
    how = [f"{count} {what}" for what, count in counts.items() if count]
    shapes = ", ".join(f"{name}{list(shape)}" for name, shape in measured.shapes.items())
    return [
        f"on {where} at {measured.execution_precision}: {', '.join(how)}",
        f"fed {shapes}",
        *(f"{name:<28}{figure:>12}" for name, figure in results.items()),
    ]
