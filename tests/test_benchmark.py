"""Benchmarks: what is compared, at which sizes, and what else the machine did meanwhile."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import openvino as ov
import pytest
from test_generation import bring
from worded import llama, t5

from pipeline import check
from pipeline.evidence import Benchmark, Generation
from pipeline.exporters.transformers import baseline
from pipeline.grid import Cell
from pipeline.host import cpu
from pipeline.host.cpu import Ticks
from pipeline.layout import Layout
from pipeline.networks import ir, samples
from pipeline.networks.session import Session, compile_model
from pipeline.networks.timing import Timing
from pipeline.record import Record
from pipeline.report.figures import metrics
from pipeline.report.table import table
from pipeline.steps import _cell
from pipeline.steps._contenders import OpenVINO, OpenVINOLoop, batches, loops
from pipeline.steps.benchmark import measure
from pipeline.steps.catalog import Catalog, catalog
from pipeline.steps.fetch import fetch
from pipeline.steps.package import package

T = TypeVar("T", bound=Record)

# Of a host with four processors: user nice system idle iowait irq softirq steal guest guest_nice.
STAT = """\
cpu  1600 0 0 1400 0 0 0 0 0 0
cpu0 100 0 0 400 0 0 0 0 0 0
cpu1 10 20 30 400 50 5 6 7 9 9
cpu2 700 0 0 0 0 0 0 0 0 0
cpu10 800 0 0 0 0 0 0 0 0 0
intr 12 0 0
"""
# A model that generates. The measured size is the smallest that has a further token.
GENERATING = """\
models:
  m:
    source: file:{source}
    format: transformers
    task: {task}
    options: {{}}
    allow: []
    calibration: none
    validation: none
precisions: {{fp32: {{}}}}
variants: {{m-fp32: {{model: m, precision: fp32, quantize: {{}}, gate: {{}}}}}}
devices: [CPU]
validate: {{device: CPU}}
benchmark: {{seconds: 0.1, rounds: 2, sizes: [{{{size} new_tokens: 4}}]}}
"""


@pytest.fixture(scope="module")
def measured(finished: Path) -> Benchmark:
    """What was measured of a small model at two sizes, the larger one first."""
    return Benchmark.read(Layout(finished).benchmark("tiny-int8", "CPU"))


# sizes


def test_each_size_has_its_measurement_in_the_order_of_params(measured: Benchmark) -> None:
    shapes = [set(m.input_shapes.values()) for m in measured.measurements]

    assert [m.sizes for m in measured.measurements] == [{"batch": 2, "length": 16}, {"length": 8}]
    assert shapes == [{(2, 16)}, {(1, 8)}]


def test_a_size_counts_no_memory_of_a_larger_one(measured: Benchmark) -> None:
    large, small = measured.measurements

    assert large.variant.peak_memory_bytes >= small.variant.peak_memory_bytes > 0
    assert large.baseline.peak_memory_bytes >= small.baseline.peak_memory_bytes > 0


def test_the_report_tells_sizes_apart(finished: Path) -> None:
    rows = [line for line in _table(finished) if line.startswith("  tiny-int8  CPU")]

    assert [row.split()[2] for row in rows] == ["2x16", "1x8"]


# contenders


def test_the_baseline_is_called_as_its_exporter_calls_it(
    measured: Benchmark, finished: Path
) -> None:
    assert {m.baseline.name for m in measured.measurements} == {baseline()}
    assert f"benchmarks (x: against {baseline()} on the CPU, same run and threads)" in _table(
        finished
    )


def test_both_have_as_many_threads_and_the_original_has_batches(measured: Benchmark) -> None:
    for m, own in zip(measured.measurements, (2, 1), strict=True):
        ours, theirs = m.variant, m.baseline

        assert ours.latency.threads == theirs.latency.threads
        assert ours.throughput.threads == theirs.throughput.threads
        assert ours.throughput.batch == own
        assert theirs.throughput.batch in batches(own, ours.throughput.streams)


def test_the_original_is_tried_at_what_is_in_flight_and_at_larger_batches() -> None:
    assert batches(1, streams=2) == [1, 2, 8, 32]
    assert batches(8, streams=1) == [8, 32]
    assert batches(64, streams=4) == [64, 256]


@pytest.mark.parametrize("hint", ["LATENCY", "THROUGHPUT"])
def test_a_contender_has_one_model_compiled(hint: str, finished: Path, tmp_path: Path) -> None:
    tokens = np.ones((3, 8), dtype=np.int64)
    samples.save([{"input_ids": tokens, "attention_mask": tokens}], tmp_path / "inputs.npz")
    before = _compiled()

    contender = OpenVINO(Layout(finished).ir("tiny-fp16"), "CPU", hint)  # type: ignore[arg-type]
    contender.feed(tmp_path / "inputs.npz", 3)
    contender.latency(0.01)
    contender.throughput(0.01)

    assert _compiled() == before + 1
    assert (contender.ready()["name"], contender.ready()["batch"]) == ("OpenVINO", 3)


# what generates, and what has several networks


def test_one_network_that_forgets_has_a_queue_and_no_tokens(
    measured: Benchmark, finished: Path
) -> None:
    told = [(m.variant, m.baseline, m.served) for m in measured.measurements]

    assert not loops(Layout(finished).ir("tiny-fp16"))
    assert {(ours.generation, theirs.generation, served) for ours, theirs, served in told} == {
        (None, None, None)
    }


def test_a_loop_takes_its_requests_one_after_another(finished: Path, tmp_path: Path) -> None:
    tokens = np.ones((3, 8), dtype=np.int64)
    samples.save([{"input_ids": tokens, "attention_mask": tokens}], tmp_path / "inputs.npz")

    contender = OpenVINOLoop(Layout(finished).ir("tiny-fp16"), "CPU")
    contender.feed(tmp_path / "inputs.npz", 3)
    turn, ready = contender.latency(0.01), contender.ready()

    assert contender.is_one_call
    assert turn["generations"] == []
    assert 0 < contender.throughput(0.05)["per_s"] <= 3e3 / min(turn["latencies_ms"]) * 2
    assert (ready["streams"], ready["batch"]) == (1, 3)


def test_a_timing_notes_the_calls_since_the_network_forgot(finished: Path) -> None:
    tokens = np.ones((1, 8), dtype=np.int64)
    network = Timing(Session(ir.read(Layout(finished).ir("tiny-fp16"))))
    network({"input_ids": tokens})
    forgot = network.remembers

    network.reset()
    network({"input_ids": tokens})
    network({"input_ids": tokens})

    assert (forgot, network.remembers) == (False, True)
    assert len(network.ended) == 2
    assert network.ended[0] < network.ended[1]


def test_tokens_and_sound_have_a_table_of_their_own(finished: Path) -> None:
    listed = Catalog.read(Layout(finished).catalog)
    (first, *_) = [entry for entry in listed.artifacts if entry.variant == "tiny-fp16"]
    (benchmark,) = first.benchmarks
    made = Generation(first_token_ms=20.0, next_token_ms=4.0, tokens_per_s=200.0)
    served = Generation(first_token_ms=21.0, next_token_ms=None, tokens_per_s=190.0)
    ours = _with(
        benchmark.measurements[0].variant, generation=made.to_dict(), real_time_factor=0.25
    )
    m = _with(benchmark.measurements[0], variant=ours.to_dict(), served=served.to_dict())
    entry = _with(first, benchmarks=[_with(benchmark, measurements=[m.to_dict()]).to_dict()])
    told = _with(listed, artifacts=[entry.to_dict()])

    rows = [line.split() for line in table(told).splitlines()]
    figures = metrics(told)["tiny-fp16"]

    assert ["tiny-fp16", "CPU", "2x16", "OpenVINO", "20.00", "4.00", "200.0", "0.250"] in rows
    assert ["tiny-fp16", "CPU", "2x16", "openvino.genai", "21.00", "190.0"] in rows
    assert "tokens and sound" not in table(listed)
    assert figures["CPU.2x16.tokens_per_s"] == 200
    assert figures["CPU.2x16.served_first_token_ms"] == 21
    assert figures["CPU.2x16.real_time_factor"] == 0.25
    assert "CPU.2x16.served_next_token_ms" not in figures


@pytest.mark.soak
@pytest.mark.parametrize(
    ("make", "task", "size"),
    [(llama, "text-generation", "batch: 2, prompt: 8,"), (t5, "text2text-generation", "")],
)
def test_what_generates_is_measured_token_by_token(
    make: Callable[[], Any], task: str, size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = bring(make, task, tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    layout = Layout()
    layout.params.write_text(GENERATING.format(source=built.source, task=task, size=size))
    params = check.load(layout.params)
    fetch(params.model("m"), layout)
    shutil.copytree(built.folder, layout.ir("m-fp32"))

    (m,) = measure(params, params.variant("m-fp32"), layout, device="CPU")

    batch = 2 if size else 1
    for contender in (m.variant, m.baseline):
        _check_generation(contender.generation, contender.latency.median_ms)
        assert (contender.throughput.batch, contender.throughput.streams) == (batch, 1)
        assert contender.real_time_factor is None
    if task == "text-generation":
        assert m.served is not None
        assert m.served.tokens_per_s > 0
        assert m.served.next_token_ms is not None
    else:
        assert m.served is None


@pytest.mark.parametrize("device", ["AUTO", "AUTO:NPU,CPU"])
def test_auto_runs_on_what_it_chose_when_it_is_compiled(device: str, finished: Path) -> None:
    model = ir.read(Layout(finished).ir("tiny-fp16"))

    running = compile_model(model, device).get_property("EXECUTION_DEVICES")

    assert [name.strip("()") for name in running] == running  # brackets: for the time being


# what else the machine did


def test_others_are_counted_on_the_processors_that_are_ours() -> None:
    assert cpu.processors(STAT, {0}) == (500, 100)
    assert cpu.processors(STAT, {1}) == (528, 78)  # with interrupts and what was stolen
    assert cpu.processors(STAT, {0, 10}) == (1300, 900)


def test_in_a_container_that_numbers_its_own_all_that_it_lists_are_ours() -> None:
    assert cpu.processors(STAT, {10, 11}) == cpu.processors(STAT, {0, 1, 2, 10})


def test_others_have_what_was_neither_idle_nor_ours() -> None:
    assert cpu.others_share(Ticks(100, 60, 50), Ticks(100, 80, 70)) == 0.1
    assert cpu.others_share(Ticks(100, 60, 61)) == 0.0


def test_where_the_kernel_does_not_count_nothing_is_said_of_others() -> None:
    nothing = Ticks(*cpu.processors("", {0, 1}), 5)

    assert cpu.others_share(nothing) is None


def test_our_own_time_is_that_of_all_processes_below_this_one() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    twice = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    before = cpu.ticks()

    with subprocess.Popen(
        [sys.executable, "-c", twice], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        parent.stdout.readline()  # type: ignore[union-attr]
        living = cpu.ticks().since(before)
        parent.communicate(b"\n")
    ended = cpu.ticks().since(before)

    least = 0.25 * os.sysconf("SC_CLK_TCK")
    assert ended.own >= living.own >= least
    assert living.total > 0


# what was refused


def test_a_refused_variant_is_shown_with_all_that_was_measured(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(finished, tmp_path / "project"))
    layout = Layout()
    layout.params.write_text(layout.params.read_text().replace(">= 0.5", ">= 0.9999999"))
    params, variant = check.load(layout.params), "tiny-int8"
    shutil.rmtree(layout.package(variant))

    _cell.run(
        Cell("package", "tiny", variant),
        params,
        layout,
        lambda: package(params, params.variant(variant), layout),
    )
    lines = table(catalog(params, layout)).splitlines()

    rows = [line.split() for line in lines if line.startswith("  tiny-int8 (refused)  CPU")]
    refused = lines[lines.index("refused") :]
    assert [row[3] for row in rows] == ["2x16", "1x8"]
    assert refused[1].startswith("  tiny-int8: cosine_mean")
    assert refused[2].startswith("    f32 ")
    assert f"  {variant}  " not in "\n".join(lines[: lines.index("refused")])


def _check_generation(made: Generation | None, request_ms: float) -> None:
    assert made is not None
    assert made.next_token_ms is not None
    assert made.first_token_ms + made.next_token_ms < 2 * request_ms
    assert made.tokens_per_s * made.next_token_ms / 1e3 < 4


def _with(record: T, **changed: object) -> T:
    return type(record).from_dict(record.to_dict() | changed)


def _table(project: Path) -> list[str]:
    return table(Catalog.read(Layout(project).catalog)).splitlines()


def _compiled() -> int:
    gc.collect()
    return sum(type(thing) is ov.CompiledModel for thing in gc.get_objects())
