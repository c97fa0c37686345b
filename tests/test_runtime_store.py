"""What is loaded is what was hashed; the store; and which artifact a name means."""

import gc
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from click.testing import CliRunner
from openvino import opset13 as ops

from pipeline import manifest
from pipeline.cli import main
from pipeline.errors import ContentError, GateError, IntegrityError, PipelineError, SpecError
from pipeline.evidence import (
    Accuracy,
    Benchmark,
    Contender,
    Execution,
    Latency,
    Measurement,
    Throughput,
)
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import PROFILES, folder_cid, import_path
from pipeline.layout import Layout
from pipeline.networks import description, writer
from pipeline.networks.description import Description
from pipeline.runtime import configured, verified
from pipeline.runtime.choice import Asked, Known, choose, host_sha256
from pipeline.runtime.names import Wanted, locate
from pipeline.runtime.store import Store, key

SIZE = 64


def network(seed: int) -> ov.Model:
    """One multiplication with random weights."""
    given = ops.parameter([-1, SIZE], np.float32, name="x")
    weights = np.random.default_rng(seed).standard_normal((SIZE, SIZE)).astype(np.float32)
    product = ops.matmul(given, ops.constant(weights), False, False)
    product.output(0).set_names({"y"})
    given.output(0).set_names({"x"})
    return ov.Model([product], [given], "m")


def outputs(model: ov.Model) -> np.ndarray:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled({"x": np.ones((1, SIZE), np.float32)})["y"])


def write(folder: Path, seed: int) -> Path:
    """An artifact that is quick to make."""
    folder.mkdir(parents=True)
    writer.write(network(seed), folder)
    (folder / "config.json").write_text('{"model_type": "none"}')
    told = Description(
        format=1, task="feature-extraction", networks=("openvino_model",), options={}
    )
    description.write(folder, told)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "artifact", 0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home" / "ovpipe")


# what is read


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_is_read_is_what_its_cid_names(folder: Path, profile: str) -> None:
    cid = import_path(folder, profile).root

    held = verified.read(folder, cid)

    assert held.cid == str(cid)
    assert held.names() == ["openvino_model"]
    assert {name: bytes(held.files[name]) for name in held.files} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    np.testing.assert_array_equal(outputs(held.model()), outputs(network(0)))


def test_a_compiled_model_does_not_need_what_it_was_read_into(folder: Path) -> None:
    model = verified.read(folder).model()
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    del model
    for _ in range(50):
        np.full(1 << 20, 7, np.uint8)

    found = np.array(compiled({"x": np.ones((1, SIZE), np.float32)})["y"])

    np.testing.assert_array_equal(found, outputs(network(0)))


def flip(folder: Path) -> None:
    path = folder / "openvino_model.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_link(folder: Path) -> None:
    (folder / "openvino_model.bin").rename(folder.parent / "elsewhere")
    (folder / "openvino_model.bin").symlink_to(folder.parent / "elsewhere")


def replace_by_fifo(folder: Path) -> None:
    (folder / "openvino_model.bin").unlink()
    os.mkfifo(folder / "openvino_model.bin")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flip, "openvino_model.bin: sha256"),
        (lambda folder: (folder / "config.json").unlink(), "config.json: missing"),
        (lambda folder: (folder / "more").write_text(""), "more: not in the manifest"),
        (lambda folder: (folder / "empty").mkdir(), "its CID is"),
        (replace_by_link, "openvino_model.bin is a symlink"),
        (replace_by_fifo, "openvino_model.bin is a FIFO"),
    ],
)
def test_a_folder_that_is_another_is_refused(
    folder: Path, change: Callable[[Path], object], said: str
) -> None:
    cid, files = folder_cid(folder), manifest.of_folder(folder)
    change(folder)

    with pytest.raises(ContentError, match=said) as raised:
        verified.read(folder, cid, files=files)

    assert str(raised.value).isprintable()


def test_a_manifest_that_lies_is_refused(folder: Path) -> None:
    cid = folder_cid(folder)
    flip(folder)

    with pytest.raises(IntegrityError, match="as its manifest says, which lies"):
        verified.read(folder, cid, files=manifest.of_folder(folder))


def test_a_doctype_is_refused(folder: Path) -> None:
    path = folder / "openvino_model.xml"
    path.write_text(f'<!DOCTYPE net [<!ENTITY a "b">]>{path.read_text()}')

    with pytest.raises(ContentError, match="DOCTYPE"):
        verified.read(folder).model()


def test_a_lone_network_is_called_as_an_artifact_s(folder: Path, tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(folder / f"openvino_model{suffix}", tmp_path / f"mine{suffix}")

    held = verified.read(tmp_path / "mine.xml")

    assert (held.cid, held.names()) == (None, ["openvino_model"])
    np.testing.assert_array_equal(outputs(held.model()), outputs(network(0)))


def test_what_only_takes_paths_gets_a_copy_that_nobody_else_may_see(folder: Path) -> None:
    held = verified.read(folder, folder_cid(folder))
    flip(folder)

    with held.copied("openvino_model.*") as copy:
        found = {path.name: path.read_bytes() for path in copy.iterdir()}
        mode = copy.stat().st_mode & 0o777

    assert mode == 0o700
    assert found == {name: bytes(held.files[name]) for name in found}
    assert sorted(found) == ["openvino_model.bin", "openvino_model.xml"]
    assert not copy.exists()


def swapping(good: Path, bad: bytes, ended: threading.Event) -> None:
    """Put other bytes in a file's place, and these back, by rename and in place in turns."""
    content, beside = good.read_bytes(), good.parent.parent / "beside"
    while not ended.is_set():
        for these in (bad, content):
            beside.write_bytes(these)
            beside.rename(good)
        for these in (bad, content[: len(content) // 2], content):
            good.write_bytes(these)
        ended.wait(0.02)  # a reader gets through now and then


def test_a_file_that_is_swapped_all_the_time_is_refused_or_harmless(
    folder: Path, tmp_path: Path
) -> None:
    cid, right = folder_cid(folder), outputs(network(0))
    bad = (write(tmp_path / "other", 1) / "openvino_model.bin").read_bytes()
    ended = threading.Event()
    thread = threading.Thread(target=swapping, args=(folder / "openvino_model.bin", bad, ended))
    read, refused = 0, 0

    thread.start()
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end or not read:
            try:
                model = verified.read(folder, cid).model()
            except ContentError:
                refused += 1
            else:
                np.testing.assert_array_equal(outputs(model), right)
                read += 1
            assert time.monotonic() < end + 20
    finally:
        ended.set()
        thread.join()

    assert read
    assert refused


# the store


def test_an_artifact_is_kept_and_found_by_any_spelling_of_its_cid(
    folder: Path, store: Store, tmp_path: Path
) -> None:
    cid = import_path(folder, "unixfs-v0-2015").root

    store.keep(folder, cid)
    found = locate(f"ipfs://{cid}", project=Layout(tmp_path), store=store)

    assert cid in store
    assert Cid(1, cid.codec, cid.digest) in store
    assert found.held.cid == str(cid)
    assert found.told
    assert found.told.task == "feature-extraction"
    assert (store.home / "ir").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "damage", [flip, replace_by_fifo, lambda folder: (folder / "openvino_model.xml").unlink()]
)
def test_what_was_damaged_in_the_store_is_fetched_again(
    folder: Path,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], object],
) -> None:
    cid = folder_cid(folder)
    car = tmp_path / "artifact.car"
    CliRunner().invoke(main, ["car", str(folder), "-o", str(car)], catch_exceptions=False)
    monkeypatch.setenv("OVPIPE_GATEWAYS", str(car))
    store.keep(shutil.copytree(folder, tmp_path / "copy"), cid)
    damage(store.home / "ir" / key(cid))

    found = locate(str(cid), project=Layout(tmp_path), store=store)

    assert outputs(found.held.model()).tolist() == outputs(network(0)).tolist()


def test_gc_removes_what_was_used_least_recently_and_nothing_in_use(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cids = []
    for seed in range(4):
        made = write(tmp_path / str(seed), seed)
        cids.append(folder_cid(made))
        store.keep(made, cids[-1])
    for when, cid in enumerate(cids):
        store.lease("ir", key(cid)).close()
        os.utime(store.home / "used" / key(cid), (when, when))
    held = locate(str(cids[0]), project=Layout(tmp_path), store=store)
    size_bytes = sum(path.stat().st_size for path in (tmp_path / "0").iterdir())
    monkeypatch.setenv("OVPIPE_HOME_MAX_GIB", str(2.5 * size_bytes / 2**30))

    swept = store.sweep()

    assert [cid in store for cid in cids] == [True, False, False, True]
    assert swept.kept_bytes <= swept.cap_bytes
    monkeypatch.setenv("OVPIPE_HOME_MAX_GIB", "0")
    store.sweep()
    assert [cid in store for cid in cids] == [True, False, False, False]
    del held
    gc.collect()  # multiformats leaves cycles behind that hold frames, and these what was read
    store.sweep()
    assert [cid in store for cid in cids] == [False] * 4


def test_a_folder_that_others_may_write_to_is_no_store(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(SpecError, match="others could write to it"):
        Store(tmp_path)


def test_pull_puts_an_artifact_into_the_store_and_takes_it_from_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, cid, car = tmp_path / "home", folder_cid(folder), tmp_path / "artifact.car"
    monkeypatch.setenv("OVPIPE_HOME", str(home))
    run = CliRunner().invoke
    run(main, ["car", str(folder), "-o", str(car)], catch_exceptions=False)

    first = run(main, ["pull", str(cid), "--from", str(car), "-o", str(tmp_path / "one")])
    empty = tmp_path / "empty.car"
    run(main, ["car", str(folder / "config.json"), "-o", str(empty)], catch_exceptions=False)
    second = run(main, ["pull", str(cid), "--from", str(empty), "-o", str(tmp_path / "two")])

    assert (first.exit_code, second.exit_code) == (0, 0), second.output
    assert cid in Store(home)
    assert folder_cid(tmp_path / "two") == cid
    flip(tmp_path / "two")
    assert folder_cid(home / "ir" / key(cid)) == cid


# the choice


def contender(precision: str, latency_ms: float = 1.0) -> Contender:
    return Contender(
        name="OpenVINO",
        load_ms=1.0,
        compile_ms=1.0,
        latency=Latency(
            median_ms=latency_ms,
            p90_ms=latency_ms,
            p99_ms=latency_ms,
            requests=1,
            threads=1,
            spread=0.0,
        ),
        throughput=Throughput(per_s=1.0, batch=1, streams=1, threads=1, spread=0.0),
        peak_memory_bytes=1,
        execution_devices=("CPU",),
        execution_precision=precision,
    )


def known(
    variant: str,
    latency_ms: float | None = None,
    *,
    host: str | None = None,
    refused: str | None = None,
    ran_at: str = "bf16",
    cid: str = "bafkqaaa",
) -> Known:
    """What a catalog would say of a variant whose requests take so long."""
    precision = variant.partition("-")[2].replace("-", "_")
    measured = Measurement(
        sizes={},
        variant=contender(ran_at, latency_ms or 1.0),
        baseline=contender("f32"),
        latency_speedup=1.0,
        throughput_speedup=1.0,
        rounds=1,
        seconds_per_round=1.0,
        input_shapes={},
        others_cpu_share=None,
    )
    benchmark = Benchmark(
        variant=variant,
        cid=cid,
        device="CPU",
        host_sha256=host or host_sha256(),
        unavailable=None,
        measurements=(measured,) if latency_ms else (),
    )
    accuracy = Accuracy(
        variant=variant,
        cid=cid,
        device="CPU",
        execution_devices=("CPU",),
        validated_on="labels",
        executions=(Execution(requested="default", precision="bf16", figures=()),),
    )
    return Known(
        model="m",
        variant=variant,
        precision=precision,
        cid=cid,
        refused=refused,
        accuracy=accuracy,
        benchmarks=(benchmark,),
    )


CPU = Asked("CPU", "default")


def test_the_fastest_that_met_its_gate_is_taken_and_it_is_said_why() -> None:
    listed = [
        known("m-fp16", 4.0),
        known("m-int8", 2.5),
        known("m-int8-weights", 1.0, refused="cosine_mean 0.5, want >= 0.9"),
        known("m-fp32", 0.5, host="0" * 64),
    ]

    found = choose("m", listed, "auto", CPU)

    assert found.known.variant == "m-int8"
    assert "this host's own benchmarks" in found.why
    assert "2.5 ms a request" in found.why


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        (CPU, [known("m-int8", 5.0, host="0" * 64), known("m-fp16", 4.0, host="0" * 64)]),
        (Asked("GPU", "default"), [known("m-int8", 5.0), known("m-fp16", 4.0)]),
        (Asked("CPU", "f32"), [known("m-int8", 5.0), known("m-fp16", 4.0)]),
    ],
)
def test_without_evidence_of_this_host_fp16_is_taken_and_it_says_so(
    asked: Asked, listed: list[Known]
) -> None:
    found = choose("m", listed, "auto", asked)

    assert found.known.variant == "m-fp16"
    assert f"no benchmark of this host on {asked}" in found.why


def test_what_its_gate_refused_is_never_taken_unasked() -> None:
    listed = [known("m-int8", 5.0, refused="cosine_mean 0.5, want >= 0.9")]

    for precision in ("auto", "int8"):
        with pytest.raises(GateError, match="cosine_mean 0.5.*name the variant itself"):
            choose("m", listed, precision, CPU)


# names


PARAMS = """\
models:
  m: {source: "file:x", format: transformers, task: feature-extraction}
precisions: {fp16: {}, int8: {}}
variants:
  m-fp16: {model: m, precision: fp16}
  m-int8: {model: m, precision: int8}
devices: [CPU]
"""


@pytest.fixture
def project(tmp_path: Path) -> Layout:
    """A project of which int8 was refused."""
    from pipeline.manifest import SourceLock
    from pipeline.provenance import Provenance
    from pipeline.steps.catalog import Catalog, Entry, Refused

    layout = Layout(tmp_path / "project")
    cids = {v: str(folder_cid(write(layout.ir(v), len(v)))) for v in ("m-fp16", "m-int8")}
    layout.params.write_text(PARAMS)
    met = known("m-fp16", cid=cids["m-fp16"])
    bad = known("m-int8", 5.0, cid=cids["m-int8"])
    provenance = Provenance(
        source=SourceLock(source="file:x", revision="1", license=None, files=()),
        recipe={}, toolchain={}, stamps={}, notes=(), removed=(), walls={},
    )  # fmt: skip
    entry = Entry(
        variant=met.variant, cid=met.cid, profile="unixfs-v1-2025", size_bytes=1,
        provenance=provenance, accuracy=met.accuracy, benchmarks=met.benchmarks,
    )  # fmt: skip
    refused = Refused(
        variant=bad.variant, stage="package", cell=bad.variant, reason="cosine_mean 0.5",
        verdicts=(), accuracy=bad.accuracy, benchmarks=bad.benchmarks,
    )  # fmt: skip
    catalog = Catalog(artifacts=(entry,), refusals=(refused,), failures=())
    layout.catalog.write_text(catalog.json())
    return layout


def test_a_model_of_the_catalog_is_verified_and_known_elsewhere(
    project: Layout, store: Store, tmp_path: Path
) -> None:
    found = locate("m", project=project, store=store)
    cid = Cid.parse(str(found.held.cid))
    store.keep(project.ir("m-fp16"), cid)
    elsewhere = locate("m", Wanted(precision="FP16"), project=Layout(tmp_path), store=store)

    assert (found.variant, found.precision, found.validated) == ("m-fp16", "fp16", True)
    assert (elsewhere.variant, elsewhere.held.cid) == ("m-fp16", found.held.cid)


def test_what_was_benchmarked_here_is_chosen_by_it(finished: Path, store: Store) -> None:
    found = locate("tiny", project=Layout(finished), store=store)
    at_f32 = locate("tiny", Wanted(execution="f32"), project=Layout(finished), store=store)

    assert found.validated
    assert "by this host's own benchmarks" in found.why
    assert (at_f32.precision, at_f32.validated) == ("fp16", True)
    assert "no benchmark of this host on CPU at f32" in at_f32.why


def test_a_refused_variant_is_taken_by_its_name_and_it_says_so(
    project: Layout, store: Store
) -> None:
    found = locate("m-int8", project=project, store=store)

    assert not found.validated
    assert "its gate refused it: cosine_mean 0.5" in found.why
    with pytest.raises(GateError):
        locate("m", Wanted(precision="INT8"), project=project, store=store)


def test_a_catalog_that_lies_is_refused(project: Layout, store: Store) -> None:
    flip(project.ir("m-fp16"))

    with pytest.raises(IntegrityError, match="its CID is bafy"):
        locate("m-fp16", project=project, store=store)


@pytest.mark.parametrize(
    "name", ["nothing at all", "ipfs://bafynot", "", "m@", "x\0", "a\nb", "n" * 5000]
)
def test_a_name_that_means_nothing_is_refused_in_one_line(
    name: str, project: Layout, store: Store
) -> None:
    with pytest.raises(PipelineError) as raised:
        locate(name, project=project, store=store)

    assert str(raised.value).isprintable()


def test_a_folder_of_transformers_gets_its_task_from_its_configuration(tmp_path: Path) -> None:
    writer_folder = tmp_path / "exported"
    writer_folder.mkdir()
    writer.write(network(0), writer_folder)
    config = {"architectures": ["BertForMaskedLM"], "max_position_embeddings": 128}
    (writer_folder / "config.json").write_text(json.dumps(config))

    found = locate(str(writer_folder), project=Layout(tmp_path), store=Store(tmp_path / "home"))

    assert found.told
    assert (found.told.task, found.told.options["max_length"]) == ("fill-mask", 128)


def test_a_long_name_is_noted_too(store: Store) -> None:
    name = f"{'o' * 96}/{'n' * 96}@{'0' * 40}.int8.own"

    store.note("names", name, Description(format=1, task="x", networks=(), options={}))

    assert store.noted("names", name, Description)
    assert not store.noted("names", f"{name}x", Description)


def test_an_unknown_precision_is_refused_with_those_there_are(
    project: Layout, store: Store
) -> None:
    with pytest.raises(SpecError, match="precision 'int2'.*'fp16'"):
        locate("m", Wanted(precision="int2"), project=project, store=store)


@pytest.mark.parametrize(
    ("config", "task"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "fill-mask"),
        ({"architectures": ["BertForSequenceClassification"]}, "text-classification"),
        (
            {"architectures": ["XLMRobertaForSequenceClassification"], "id2label": {"0": "x"}},
            "text-ranking",
        ),
        (
            {"architectures": ["Wav2Vec2ForSequenceClassification"], "conv_stride": [5]},
            "audio-classification",
        ),
        ({"architectures": ["Wav2Vec2ForCTC"]}, "automatic-speech-recognition"),
        (
            {"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"},
            "automatic-speech-recognition",
        ),
        ({"architectures": ["T5ForConditionalGeneration"]}, "text2text-generation"),
        (
            {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {}},
            "image-text-to-text",
        ),
        ({"architectures": ["LlamaForCausalLM"]}, "text-generation"),
        ({"architectures": ["GPT2LMHeadModel"]}, "text-generation"),
        ({"architectures": ["ViTForImageClassification"]}, "image-classification"),
        ({"architectures": ["DetrForObjectDetection"]}, "object-detection"),
        ({"architectures": ["SegformerForSemanticSegmentation"]}, "image-segmentation"),
        (
            {"architectures": ["CLIPModel"], "text_config": {}, "vision_config": {}},
            "zero-shot-image-classification",
        ),
        ({"architectures": ["Dinov2Model"], "patch_size": 14}, "image-feature-extraction"),
        ({"architectures": ["BertModel"]}, "feature-extraction"),
        ({"architectures": ["MusicgenThing"]}, None),
        ({}, None),
    ],
)
def test_a_configuration_tells_the_task(config: dict[str, object], task: str | None) -> None:
    assert configured.task_of(config) == task


def test_a_task_of_transformers_own_classes_is_one_of_ours() -> None:
    from pipeline import kinds

    tasks = {*configured._BY_ENDING.values(), *configured._BY_TYPE.values()}

    assert {task.replace("-", "_") for task in tasks} <= set(kinds.names("task"))


# ONNX, and links


def onnx_of(path: Path, *, external: bool) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, SIZE])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path, save_as_external_data=external, location="w.data", size_threshold=0)


@pytest.mark.parametrize("external", [False, True])
def test_onnx_is_run_from_memory_and_by_its_path_where_weights_lie_elsewhere(
    tmp_path: Path, *, external: bool
) -> None:
    onnx_of(tmp_path / "mine.onnx", external=external)

    held = verified.read(tmp_path / "mine.onnx")

    assert held.names() == ["openvino_model"]
    np.testing.assert_allclose(outputs(held.model()), outputs(network(0)), rtol=1e-5, atol=1e-5)


def test_onnx_whose_weights_lie_elsewhere_is_no_artifact(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    onnx_of(folder / "openvino_model.onnx", external=True)

    held = verified.read(folder, folder_cid(folder))

    with pytest.raises(ContentError, match="weights lie elsewhere"):
        held.model()


def test_links_are_followed_where_nobody_said_what_it_must_be(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "snapshot"  # as in the cache of a hub
    linked.mkdir()
    for path in folder.iterdir():
        path.rename(tmp_path / f"blob-{path.name}")
        (linked / path.name).symlink_to(tmp_path / f"blob-{path.name}")

    found = locate(str(linked), project=Layout(tmp_path / "none"), store=Store(tmp_path / "home"))

    assert found.held.cid is None
    assert "nothing was verified" in found.why
    np.testing.assert_array_equal(outputs(found.held.model()), outputs(network(0)))
    with pytest.raises(ContentError, match="symlink"):
        verified.read(linked, folder_cid(tmp_path / "blob-config.json"))
