"""The canonical writer: what is generated never reaches the bytes, what a source named stays."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import canonical_models
import numpy as np
import openvino as ov
import pytest
from canonical_models import MODELS, onnx_names, perceptron, perceptron_ptq, written

from pipeline import manifest
from pipeline.host import isa
from pipeline.networks import canonical, ir, writer

LAYERS = (0, 3, 5, 7)  # of the perceptron, those with weights
STATES = ["b", "a", "c"]
GENERATED = re.compile(r"[A-Z][A-Za-z0-9]*_\d+")


@pytest.fixture(scope="module")
def written_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """All models, by two processes and in both orders; the second makes one a second time."""
    folders = (tmp_path_factory.mktemp("forwards"), tmp_path_factory.mktemp("backwards"))
    orders = ([*MODELS], [*reversed(MODELS), "branches"])
    processes = [
        subprocess.Popen(
            [sys.executable, canonical_models.__file__, folder, *order],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **isa.ENVIRONMENT[isa.DEFAULT]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder, order in zip(folders, orders, strict=True)
    ]
    for process in processes:
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told
    return folders


@pytest.fixture(params=MODELS)
def folder(request: pytest.FixtureRequest, written_twice: tuple[Path, Path]) -> Path:
    """Each model as the first process wrote it."""
    return next(written_twice[0].glob(f"*-{request.param}"))


def digests(folder: Path) -> list[str]:
    return [manifest.sha256(folder / f"{ir.MODEL}.{ending}") for ending in ("xml", "bin")]


def layers(folder: Path) -> list[str]:
    """The names of all operations as they stand in the file, bodies included."""
    root = ET.parse(folder / f"{ir.MODEL}.xml").getroot()  # noqa: S314 - our own
    return [str(layer.get("name")) for layer in root.iter("layer")]


@pytest.mark.soak
def test_bytes_depend_on_neither_the_process_nor_what_it_made_before(
    folder: Path, written_twice: tuple[Path, Path]
) -> None:
    others = list(written_twice[1].glob(f"*{folder.name.lstrip('0123456789')}"))

    assert others
    assert [digests(other) for other in others] == [digests(folder)] * len(others)


@pytest.mark.soak
def test_no_two_operations_have_one_name(folder: Path) -> None:
    assert [name for name, times in Counter(layers(folder)).items() if times > 1] == []


@pytest.mark.soak
def test_reading_and_writing_again_changes_nothing(folder: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    for source, out in ((folder, once), (once, twice)):
        out.mkdir()
        model = ir.read(source)
        writer.write(model, out, keep=canonical.names(model))

    # The reader itself renames tensors that a body and the graph around it have in common.
    assert digests(twice) == digests(once)
    assert layers(once) == layers(folder)
    assert folder.name.endswith("loop") or digests(once) == digests(folder)


@pytest.mark.soak
def test_a_body_is_in_the_models_that_are_to_have_one(written_twice: tuple[Path, Path]) -> None:
    def types(name: str) -> str:
        folder = next(written_twice[0].glob(f"*-{name}"))
        return (folder / f"{ir.MODEL}.xml").read_text()

    assert 'type="Loop"' in types("loop")
    assert 'type="LSTMSequence"' in types("loop")
    assert 'type="TensorIterator"' in types("lstm")
    assert "<then_body" in types("branches")
    assert 'type="ReadValue"' in types("whisper")


@pytest.mark.soak
def test_module_paths_stay_and_counters_go(written_twice: tuple[Path, Path]) -> None:
    names = layers(next(written_twice[0].glob("*-llama")))

    numbers = [int(name.split("_")[1]) for name in names if GENERATED.fullmatch(name)]
    assert "__module.model.layers.1.self_attn.q_proj/aten::linear/MatMul" in names
    assert "self.model.layers.1.self_attn.q_proj.weight" in names
    assert max(numbers) < len(names)


@pytest.mark.soak
def test_onnx_names_stay_although_they_look_generated(written_twice: tuple[Path, Path]) -> None:
    folder = next(written_twice[0].glob("*-branches"))
    given = onnx_names(folder / "scratch" / "branches.onnx")

    names = set(layers(folder))

    assert {"MatMul_12", "Greater_3"} <= names & given
    # OpenVINO names If after its output; If_0 is then a number that is not handed out.
    assert "If_0" in given - names


def test_a_source_that_is_not_asked_for_its_names_loses_those_that_look_generated(
    tmp_path: Path,
) -> None:
    model, _ = canonical_models.branches(tmp_path)

    writer.write(model, tmp_path)

    assert {"Greater_0", "MatMul_0"} <= set(layers(tmp_path))


def small(*names: str) -> ov.Model:
    """A chain of Relus with names; an empty one stays generated."""
    port = ov.opset13.parameter([1], np.float32, name="x")
    node = port
    for name in names:
        node = ov.opset13.relu(node)
        if name:
            node.set_friendly_name(name)
    return ov.Model([node], [port], "small")


def renamed(model: ov.Model, keep: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """The names of the Relus, in order, as the writer leaves them."""
    canonical.rename(model, "small", keep)
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Relu"]
    return [node.get_friendly_name() for node in nodes]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("Constant_465697", "Constant_0"),
        ("Convert_12/fq_output_0", "Convert_0/fq_output_0"),
        ("RaggedToDense_685050.0", "RaggedToDense_0.0"),
        ("Constant_37615_compressed", "Constant_0_compressed"),
        ("Slice_685065", "Slice_0"),
        ("Conv_1_bn/FusedBatchNorm", "Conv_1_bn/FusedBatchNorm"),
        ("__module.lstm/aten::lstm/LSTMSequence_1", "__module.lstm/aten::lstm/LSTMSequence_1"),
        ("fc_1", "fc_1"),
        ("35_1", "35_1"),
    ],
)
def test_only_a_generated_head_is_replaced(given: str, left: str) -> None:
    assert renamed(small(given)) == [left]


def test_what_has_one_head_has_one_head_afterwards() -> None:
    found = renamed(small("Constant_98", "Constant_97", "Constant_98/scale", "Convert_98"))

    assert found == ["Constant_0", "Constant_1", "Constant_0/scale", "Convert_0"]


def test_numbers_of_names_that_are_kept_are_left_out() -> None:
    found = renamed(small("", "Relu_1", "", "Relu_3/x"), keep={"Relu_0", "Relu_1", "Relu_3/x"})

    assert found == ["Relu_2", "Relu_1", "Relu_4", "Relu_3/x"]


def test_what_a_tool_derives_from_a_kept_name_stays() -> None:
    assert renamed(small("MatMul_12/fq_weights_1"), keep={"MatMul_12"}) == [
        "MatMul_12/fq_weights_1"
    ]


def test_of_several_with_one_name_the_first_keeps_it_and_no_other_loses_its_own() -> None:
    assert renamed(small("a", "a", "a_1", "a")) == ["a", "a_2", "a_1", "a_3"]


def test_a_counter_that_hits_a_name_of_the_source_does_not_take_it() -> None:
    model = small("", "b")
    counted, named = [n for n in model.get_ordered_ops() if n.get_type_name() == "Relu"]
    name = counted.get_name()
    named.set_friendly_name(name)

    assert renamed(model, keep={name}) == ["Relu_0", name]


def test_the_tensor_of_an_input_is_the_models_interface() -> None:
    port = ov.opset13.parameter([1], np.float32, name="Image_7")
    port.output(0).get_tensor().set_names({"Image_7"})
    model = ov.Model([ov.opset13.relu(port)], [port], "small")

    renamed(model)

    assert model.input(0).get_any_name() == "Image_7"


def test_a_state_that_is_named_after_an_operation_follows_it(tmp_path: Path) -> None:
    port = ov.opset13.parameter([1], np.float32, name="x")
    node = ov.opset13.relu(port)
    state = f"{node.get_friendly_name()}.0"
    node.output(0).get_tensor().set_names({state})
    read = ov.opset13.read_value(node, state)
    result = ov.opset13.relu(read).output(0)
    model = ov.Model([result], [ov.opset13.assign(read, state)], [port], "stateful")

    writer.write(model, tmp_path)

    found = re.findall(r'variable_id="(.*?)"', (tmp_path / f"{ir.MODEL}.xml").read_text())
    assert found == ["Relu_0.0", "Relu_0.0"]


@pytest.mark.parametrize("backwards", [False, True])
def test_states_stand_in_the_order_in_which_results_need_them(
    backwards: bool, tmp_path: Path
) -> None:
    port = ov.opset13.parameter([1], np.float32, name="x")
    reads = [ov.opset13.read_value(port, name) for name in ("b", "a", "c")]
    sum_ = ov.opset13.add(ov.opset13.add(reads[0], reads[1]), reads[2]).output(0)
    assigns = [ov.opset13.assign(read, name) for read, name in zip(reads, "bac", strict=True)]
    model = ov.Model([sum_], assigns[:: -1 if backwards else 1], [port], "stateful")

    writer.write(model, tmp_path)

    states = [sink.get_attributes()["variable_id"] for sink in ir.read(tmp_path).get_sinks()]
    assert states == STATES


def test_a_tokenizer_does_not_depend_on_what_the_process_made_before(
    tiny_bert: Path, tmp_path: Path
) -> None:
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    found = []
    for place in range(2):
        (out := tmp_path / str(place)).mkdir()
        for name, model in zip(
            (ir.TOKENIZER, ir.DETOKENIZER),
            convert_tokenizer(tokenizer, with_detokenizer=True),
            strict=True,
        ):
            writer.write(model, out, name)
        found.append(manifest.of_folder(out))
        small(*[""] * 5)  # advances the counter

    assert found[0] == found[1]


def weights(model: ov.Model) -> dict[int, tuple[str, bytes]]:
    """Element type and bytes of each layer's weights, by the layer's number."""
    found = {}
    for node in model.get_ops():
        path = re.match(r"__module\.(\d+)/\S+/(MatMul|Convolution)$", node.get_friendly_name())
        if path:
            while node.get_type_name() != "Constant":
                node = node.input_value(1 if node.get_friendly_name() == path[0] else 0).get_node()
            found[int(path[1])] = (node.get_element_type().to_string(), node.data.tobytes())
    return found


def compress(source: Path, pattern: str) -> ov.Model:
    import nncf

    return nncf.compress_weights(
        ir.read(source),
        mode=nncf.CompressWeightsMode.INT8_SYM,
        ignored_scope=nncf.IgnoredScope(patterns=[pattern]),
    )


def quantize(source: Path, pattern: str) -> ov.Model:
    import nncf

    model, _ = perceptron_ptq(
        source.parent / "ptq", ignored_scope=nncf.IgnoredScope(patterns=[pattern])
    )
    return model


@pytest.mark.soak
@pytest.mark.parametrize("apply", [compress, quantize])
@pytest.mark.parametrize("ignored", [{3}, {0, 5}])
def test_an_ignored_scope_by_module_path_leaves_exactly_those_weights(
    apply: Callable[[Path, str], ov.Model], ignored: set[int], tmp_path: Path
) -> None:
    source = written(perceptron, tmp_path / "ir")
    pattern = rf"__module\.({'|'.join(map(str, sorted(ignored)))})/.*"

    model = apply(source, pattern)
    (tmp_path / "out").mkdir()
    writer.write(model, tmp_path / "out", keep=canonical.names(ir.read(source)))

    before, after = weights(ir.read(source)), weights(ir.read(tmp_path / "out"))
    assert set(before) == set(after) == set(LAYERS)
    assert {layer for layer in LAYERS if after[layer] == before[layer]} == ignored
    assert {after[layer][0] for layer in LAYERS if layer not in ignored} == {"i8"}
