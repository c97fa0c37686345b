"""The artifact: what consumers load, that they agree, and that its bytes never differ."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import pytest
from conftest import Fed, make_project

from pipeline import kinds, manifest
from pipeline.artifact import Artifact
from pipeline.errors import PrecisionError
from pipeline.ipfs import unixfs
from pipeline.networks import ir, weights, writer

TEXTS = ["A short sentence.", "The committee adjourned without a vote on the second motion."]
VARIANTS = ["tiny-fp32", "tiny-fp16", "tiny-int8"]


@pytest.fixture(params=VARIANTS)
def folder(request: pytest.FixtureRequest, finished: Path) -> Path:
    """The artifact of each variant."""
    return finished / "artifacts" / "ir" / str(request.param)


def by_openvino(folder: Path) -> npt.NDArray[np.float32]:
    """Mean-pooled, normalized vectors by OpenVINO alone, with the folder's own tokenizer IR."""
    import openvino_tokenizers  # noqa: F401

    core = ov.Core()
    tokenize = core.compile_model(folder / "openvino_tokenizer.xml", "CPU")
    model = core.compile_model(
        core.read_model(folder / "openvino_model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    tokens = tokenize(TEXTS)
    inputs = {port.any_name: tokens[port.any_name] for port in model.inputs}
    return pooled(model(inputs)[0], tokens["attention_mask"])


def by_optimum(folder: Path) -> npt.NDArray[np.float32]:
    """The same through optimum-intel and transformers."""
    from optimum.intel import OVModelForFeatureExtraction
    from transformers import AutoTokenizer

    model = OVModelForFeatureExtraction.from_pretrained(
        folder, ov_config={"INFERENCE_PRECISION_HINT": "f32"}
    )
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="np")
    return pooled(model(**tokens).last_hidden_state, tokens["attention_mask"])


def by_genai(folder: Path) -> npt.NDArray[np.float32]:
    """The same through openvino.genai."""
    import openvino_genai

    embed = openvino_genai.TextEmbeddingPipeline
    pipeline = embed(
        folder, "CPU", pooling_type=embed.PoolingType.MEAN, normalize=True,
        INFERENCE_PRECISION_HINT="f32",
    )  # fmt: skip
    return np.array(pipeline.embed_documents(TEXTS), np.float32)


def pooled(tokens: Any, mask: Any) -> npt.NDArray[np.float32]:
    """Mean over the real tokens, then unit length."""
    weights = np.asarray(mask)[..., None]
    vectors = (np.asarray(tokens) * weights).sum(1) / weights.sum(1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_openvino_optimum_and_genai_agree(folder: Path) -> None:
    plain, optimum, genai = by_openvino(folder), by_optimum(folder), by_genai(folder)

    # Dynamic int8 activations are rounded per batch shape, so int8 is a little looser.
    np.testing.assert_allclose(optimum, plain, atol=1e-4)
    np.testing.assert_allclose(genai, plain, atol=1e-4)


def test_the_artifact_says_what_the_folder_holds(folder: Path, finished: Path) -> None:
    path = finished / "artifacts" / "package" / folder.name / "artifact.json"

    artifact = Artifact.read(path)

    assert artifact.cid == str(unixfs.folder_cid(folder))
    assert artifact.files == manifest.of_folder(folder)
    assert artifact.size_bytes == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert artifact.provenance.source.revision.startswith("sha256:")


SERIES = ("openvino_tokenizers_version", "transformers_version")


def test_nothing_of_versions_times_hosts_or_paths_is_in_the_folder(folder: Path) -> None:
    import nncf
    import transformers

    for path in folder.glob("*.xml"):
        text = path.read_text()
        for name in SERIES:
            text = re.sub(rf'<{name} value="\d+\.\d+" />', "", text)
        for stamp in (ov.__version__, nncf.__version__, transformers.__version__, "/tmp"):  # noqa: S108
            assert stamp not in text, f"{path}: {stamp}"
        assert 'value="202' not in text, path
        assert "version value=" not in text, path


def test_fp16_halves_the_weights_and_int8_quarters_them(finished: Path) -> None:
    sizes = {
        name: weights.sizes(ir.read(finished / "artifacts" / "ir" / name)) for name in VARIANTS
    }

    assert sizes["tiny-fp16"]["f16"] * 2 == sizes["tiny-fp32"]["f32"]
    assert sizes["tiny-int8"]["i8"] * 4 == sizes["tiny-fp32"]["f32"]


def test_the_record_holds_the_bytes_of_the_weights(finished: Path) -> None:
    artifact = Artifact.read(finished / "artifacts" / "package" / "tiny-fp16" / "artifact.json")

    recorded = artifact.provenance.recipe["weights"]["openvino_model"]

    network = ir.read(finished / "artifacts" / "ir" / "tiny-fp16")
    assert recorded["bytes"] == weights.sizes(network)
    assert recorded["narrowed"]["values"] * 2 >= recorded["bytes"]["f16"]  # biases too
    assert artifact.provenance.recipe["checkpoint"].keys() == {"F32"}


def test_int8_wants_as_many_calibration_inputs_as_its_subset(finished: Path) -> None:
    precision = kinds.load("precision", "int8")
    network = ir.read(finished / "artifacts" / "export" / "tiny")

    with pytest.raises(PrecisionError, match="subset_size 300: the calibration set holds only 2"):
        precision.apply(network, precision.Options(subset_size=300), Fed([{}, {}]))


def test_canonical_ir_does_not_depend_on_what_the_process_did_before(
    finished: Path, tmp_path: Path
) -> None:
    source = finished / "artifacts" / "ir" / "tiny-fp32"
    digests = []
    for index in range(3):
        for _ in range(index):  # advances OpenVINO's counter of generated names
            ir.read(source).clone()
            ov.opset13.constant(np.zeros(3, np.float32))
        out = tmp_path / str(index)
        out.mkdir()
        writer.write(ir.read(source).clone(), out)
        digests.append([manifest.sha256(out / f"openvino_model.{end}") for end in ("xml", "bin")])

    assert digests[0] == digests[1] == digests[2]
    assert digests[0][0] == manifest.sha256(source / "openvino_model.xml")


@pytest.mark.soak
def test_another_folder_thread_count_and_instruction_set_give_the_same_cids(
    finished: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    other = make_project(tmp_path / "elsewhere" / "deeper", tiny_bert)
    wanted = {
        name: str(unixfs.folder_cid(finished / "artifacts" / "ir" / name)) for name in VARIANTS
    }
    cpu = sorted(os.sched_getaffinity(0))[0]

    subprocess.run(
        ["taskset", "-c", str(cpu), "dvc", "repro", *(f"quantize@{name}" for name in VARIANTS)],
        cwd=other,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=300,
    )

    found = {name: str(unixfs.folder_cid(other / "artifacts" / "ir" / name)) for name in VARIANTS}
    assert found == wanted


def export_again(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.export", "tiny"],
        cwd=project, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_stage_that_fails_leaves_its_previous_output_and_no_litter(
    finished: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished, tmp_path / "project"))
    params = (project / "params.yaml").read_text()
    late = params.replace("    allow: []\n", "    limits: {deadline_s: 0.01}\n")
    (project / "params.yaml").write_text(late)
    before = manifest.of_folder(project / "artifacts" / "export")

    done = export_again(project)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert manifest.of_folder(project / "artifacts" / "export") == before
    assert not list((project / ".work" / "scratch").iterdir())


def test_what_a_stage_refuses_is_its_output_and_nothing_is_left_of_the_one_before(
    finished: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished, tmp_path / "project"))
    weights = project / "artifacts" / "source" / "tiny" / "model.safetensors"
    damaged = weights.read_bytes()[:1000]
    weights.unlink()
    weights.write_bytes(damaged)

    done = export_again(project)

    folder = project / "artifacts" / "export" / "tiny"
    refused = json.loads((folder / "refused.json").read_text())
    assert done.returncode == 0
    assert done.stderr == (
        f"refused: export@tiny: {refused['refused']}; log: .work/log/export-tiny.log\n"
    )
    assert refused["refused"].startswith("model.safetensors: not safetensors: ")
    assert [path.name for path in folder.iterdir()] == ["refused.json"]
    assert json.loads((folder.parent / "tiny.provenance.json").read_text()) == refused
    assert not list((project / ".work" / "scratch").iterdir())


def test_the_catalog_lists_every_variant_with_its_evidence(finished: Path) -> None:
    catalog = json.loads((finished / "artifacts" / "catalog.json").read_text())

    assert [entry["variant"] for entry in catalog["artifacts"]] == VARIANTS
    for entry in catalog["artifacts"]:
        assert entry["accuracy"]["cid"] == entry["cid"]
        assert {e["requested"] for e in entry["accuracy"]["executions"]} == {"f32", "default"}
        for benchmark in entry["benchmarks"]:
            assert benchmark["cid"] == entry["cid"]
            names = {m["baseline"]["name"] for m in benchmark["measurements"]}
            assert names == {"PyTorch eager fp32"}
