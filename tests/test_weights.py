"""Weights: a folder is what it is called, and a type is changed exactly or refused with counts."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from conftest import ROOT, Fed

from pipeline import bounds, check, gate, kinds, manifest
from pipeline.errors import ExportError, PrecisionError
from pipeline.evidence import Accuracy
from pipeline.exporters import transformers
from pipeline.host import isa, sandbox
from pipeline.host.walls import Access
from pipeline.networks import ir, samples, weights
from pipeline.networks.tensors import Array
from pipeline.networks.weights import IgnoredScope
from pipeline.spec import Model
from pipeline.steps import _source, export, quantize
from pipeline.steps.fetch import collect
from pipeline.tasks._modules import Module
from pipeline.tasks._pooling import Layer

DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def network(*layers: Array | ov.Node) -> ov.Model:
    """MatMuls one after another, named `layer0`, `layer1`, by constants or what gives them."""
    value = parameter = ops.parameter([-1, 8], np.float32, name="x")
    for index, layer in enumerate(layers):
        weight = ops.constant(layer) if isinstance(layer, np.ndarray) else layer
        value = ops.matmul(value, weight, False, False, name=f"layer{index}")
    return ov.Model([ops.result(value)], [parameter], "network")


def square(seed: int = 0) -> Array:
    """A matrix of f32 weights."""
    return np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)


def compressed(matrix: Array) -> ov.Node:
    """A matrix as i8 with a scale, as NNCF writes it."""
    scale = np.float32(np.abs(matrix).max() / 127)
    rounded = ops.constant(np.round(matrix / scale).astype(np.int8))
    return ops.multiply(ops.convert(rounded, "f32"), ops.constant(np.full((1, 8), scale)))


# What the weights are


def test_weights_are_counted_as_stored_without_scales_and_indexes() -> None:
    rows = ops.gather(ops.constant(np.arange(8).reshape(1, 8)), np.int64(0), np.int64(0))
    used = ops.gather(ops.constant(square()), rows, np.int64(0))
    model = network(square(), compressed(square()), used)

    assert weights.sizes(model) == {"f32": 2 * 8 * 8 * 4, "i8": 8 * 8}


def test_a_weight_used_twice_counts_once() -> None:
    shared = ops.constant(square(), name="shared")

    assert weights.sizes(network(shared, shared)) == {"f32": 8 * 8 * 4}


def test_two_weights_of_one_name_count_twice() -> None:
    twins = [ops.constant(square(seed)) for seed in (1, 2)]
    for twin in twins:
        twin.set_friendly_name("twin")

    assert weights.sizes(network(*twins)) == {"f32": 2 * 8 * 8 * 4}


def looped(x: ov.Node, handed: ov.Node, *, depth: int = 1) -> ov.Node:
    """A loop that multiplies `x` by a weight of its own and by one that is handed into it."""
    body_x = ops.parameter([1, 8], np.float32)
    body_w = ops.parameter([8, 8], np.float32)
    inside = ops.matmul(body_x, ops.constant(square(depth)), False, False)
    if depth > 1:
        goes_on = ops.constant(np.array(True))
        made = looped(inside, body_w, depth=depth - 1)
        loop = ops.loop(ops.constant(np.int64(2)), goes_on)
        results = [ops.result(goes_on), ops.result(made)]
    else:
        made = ops.matmul(inside, body_w, False, False)
        loop = ops.tensor_iterator()
        results = [ops.result(made)]
    loop.set_function(ov.Model(results, [body_x, body_w], "body"))
    if depth > 1:
        loop.set_special_body_ports([-1, 0])
    loop.set_merged_input(body_x, x.output(0), made.output(0))
    loop.set_invariant_input(body_w, handed.output(0))
    loop.get_iter_value(made.output(0), -1)
    return loop


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_weights_in_a_body_and_those_handed_into_it_are_found(depth: int) -> None:
    x = ops.parameter([1, 8], np.float32, name="x")
    made = looped(x, compressed(square()), depth=depth)
    model = ov.Model([ops.result(made.output(0))], [x], "looped")

    assert weights.sizes(model) == {"f32": depth * 8 * 8 * 4, "i8": 8 * 8}


def test_the_state_with_which_a_loop_begins_is_no_weight() -> None:
    x = ops.parameter([1, 8], np.float32, name="x")
    begin = ops.constant(np.zeros((1, 8), np.float32))
    made = looped(begin, ops.constant(square().astype(np.int8).astype(np.float32)))
    model = ov.Model([ops.result(ops.add(x, made.output(0)))], [x], "looped")

    assert weights.sizes(model) == {"f32": 2 * 8 * 8 * 4}


def test_what_a_recipe_leaves_out_does_not_count() -> None:
    model = network(square(0), square(1), square(2), compressed(square(3)))

    by_name = weights.sizes(model, IgnoredScope(names=["layer0"]))
    by_pattern = weights.sizes(model, IgnoredScope(patterns=["layer[012]"]))
    by_type = weights.sizes(model, IgnoredScope(types=["MatMul"]))

    assert by_name == {"f32": 2 * 8 * 8 * 4, "i8": 64}
    assert by_pattern == {"i8": 64}
    assert by_type == {}


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ({"names": ["layer0"]}, 1),
        ({"names": ["layer0", "layer2"]}, 2),
        ({"patterns": ["layer[12]"]}, 2),
        ({"patterns": ["layer"]}, 3),  # a pattern is met by the beginning of a name
        ({"patterns": ["ayer1", "layer0"]}, 1),  # and by nothing else
        ({"types": ["MatMul"]}, 3),
    ],
)
def test_a_recipe_leaves_out_what_nncf_leaves_out(scope: dict[str, list[str]], left: int) -> None:
    import nncf

    quantized = nncf.quantize(
        network(square(0), square(1), square(2)),
        nncf.Dataset([{"x": square()}]),
        subset_size=1,
        ignored_scope=nncf.IgnoredScope(**scope, validate=False),
    )

    expected = {"i8": (3 - left) * 64} if left < 3 else {}
    assert weights.sizes(quantized, IgnoredScope(**scope)) == expected
    assert weights.sizes(quantized).get("f32", 0) == left * 8 * 8 * 4


@pytest.mark.parametrize(
    ("counted", "promised"),
    [
        ({"f32": 100, "i8": 1}, ("i8", "u8")),
        ({"i8": 89, "f32": 11}, ("i8", "u8")),
        ({"i8": 100}, ("f32",)),
        ({"f16": 100}, ("f32",)),
        ({}, ("f32",)),
    ],
)
def test_a_label_that_nine_tenths_of_the_bytes_do_not_keep_is_refused(
    counted: dict[str, int], promised: tuple[str, ...]
) -> None:
    with pytest.raises(PrecisionError, match=r"precision x: \d+ of the weights' \d+ bytes"):
        weights.demand(counted, promised, "precision x")


def test_a_label_that_nine_tenths_of_the_bytes_keep_is_right() -> None:
    weights.demand({"i8": 60, "u8": 30, "f32": 10}, ("i8", "u8"), "precision int8")


# How they change type


def sixteen(matrix: Array, kind: str) -> ov.Node:
    """A matrix held in 16 bits and computed with in 32, as checkpoints are exported."""
    held = ov.op.Constant(getattr(ov.Type, kind), ov.Shape(list(matrix.shape)), matrix.ravel())
    held.set_friendly_name("layer.weight")
    return ops.convert(held, "f32")


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_widening_keeps_every_value_and_the_name(kind: str) -> None:
    model = network(sixteen(square(), kind))
    before = weights._values(weights.weights(model)[0]).copy()

    weights.widen(model)

    (wide,) = weights.weights(model)
    assert weights.sizes(model) == {"f32": 8 * 8 * 4}
    np.testing.assert_array_equal(wide.data, before)
    assert wide.get_friendly_name() == "layer.weight"
    assert "Convert" not in {operation.get_type_name() for operation in model.get_ops()}


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_widening_leaves_what_computes_in_sixteen_bits_as_it_is(kind: str) -> None:
    held = ov.op.Constant(getattr(ov.Type, kind), ov.Shape([8, 8]), square().ravel())
    x = ops.parameter([-1, 8], getattr(ov.Type, kind), name="x")
    model = ov.Model([ops.result(ops.matmul(x, held, False, False))], [x], "half")

    weights.widen(model)

    assert model.output(0).get_element_type().to_string() == kind
    assert weights.sizes(model) == {"f32": 8 * 8 * 4}


def narrow(matrix: Array) -> weights.Narrowed:
    return weights.narrowed(network(matrix))


def test_what_overflows_at_fp16_is_refused_with_its_count_and_name() -> None:
    matrix = square()
    matrix[0, :3] = (65520, -1e9, 65519)

    with pytest.raises(PrecisionError, match=r"fp16: 2 of 64 values overflow, most in '\w+' \(2\)"):
        narrow(matrix)


def biased(bias: list[float]) -> ov.Model:
    """A layer whose bias has these values."""
    x = ops.parameter([-1, 8], np.float32, name="x")
    added = ops.constant(np.array(bias, np.float32), name="layer.bias")
    return ov.Model(
        [ops.result(ops.add(ops.matmul(x, ops.constant(square()), False, False), added))], [x], "m"
    )


def test_a_bias_that_overflows_at_fp16_is_refused_too() -> None:
    model = biased([70000.0] + 7 * [1.0])  # save_model would clamp it to 65504

    with pytest.raises(PrecisionError, match="1 of 72 values overflow, most in 'layer.bias'"):
        weights.narrowed(model)


@pytest.mark.parametrize("value", [float("-inf"), -3.4028234663852886e38, -1e9])
def test_what_stands_for_infinity_in_a_mask_may_be_clamped(value: float) -> None:
    assert weights.narrowed(biased([value] + 7 * [0.0])).overflowed == 0


def test_a_single_value_that_fp16_cannot_hold_stays_as_it_is() -> None:
    precision = kinds.load("precision", "fp16")
    model = biased([1e-12])

    narrow, figures = precision.apply(model, precision.Options(), Fed())

    (bias,) = [op for op in narrow.get_ops() if op.get_friendly_name() == "layer.bias"]
    assert bias.get_element_type() == ov.Type.f32
    assert bias.data.item() == np.float32(1e-12)
    assert figures == {"narrowed": {"values": 64, "overflowed": 0, "vanished": 0}}


def test_up_to_a_thousandth_may_vanish_at_fp16_and_is_counted() -> None:
    matrix = np.full((8, 250), 1e-5, np.float32)
    matrix[:, 0] = 0
    matrix[0, 1] = 1e-8
    x = ops.parameter([-1, 8], np.float32, name="x")
    model = ov.Model([ops.result(ops.matmul(x, ops.constant(matrix), False, False))], [x], "m")

    counts = weights.narrowed(model)

    assert counts == weights.Narrowed(values=2000, overflowed=0, vanished=1)


def test_more_than_a_thousandth_that_vanishes_is_refused() -> None:
    matrix = 1e-5 * square()
    matrix[0, 0] = 2e-8

    with pytest.raises(PrecisionError, match="1 of 64 values that are not zero would become"):
        narrow(matrix)


def test_what_is_less_than_the_rounding_of_its_tensor_s_largest_value_is_no_loss() -> None:
    """As trained convolutions hold many: fp16 keeps the rest as exactly as without them."""
    matrix = square()
    matrix[:4] *= np.float32(1e-10)

    assert narrow(matrix).vanished == 0


# Through the stages


@pytest.fixture(scope="module", params=sorted(DTYPES))
def exported(
    request: pytest.FixtureRequest, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Path, dict[str, Any]]:
    """A checkpoint of each dtype, whose config.json says another, and its export."""
    from safetensors.torch import load_file, save_file
    from torch import dtype

    dtypes: dict[str, dtype] = {k: getattr(__import__("torch"), n) for k, n in DTYPES.items()}
    kind = str(request.param)
    folder = tmp_path_factory.mktemp(kind)
    source = Path(shutil.copytree(tiny_bert, folder / "source"))
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    save_file(
        {name: tensor.to(dtypes[kind]) for name, tensor in tensors.items()},
        source / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = json.loads((source / "config.json").read_text())
    other = "float16" if kind == "f32" else "float32"
    (source / "config.json").write_text(json.dumps(config | {"dtype": other}))
    made = export.write_ir(model(folder), source, folder / "ir")
    return kind, source, folder / "ir", made


def model(folder: Path, *allow: str) -> Model:
    """The entry of a tiny BERT."""
    return Model.from_dict(
        {
            "name": "m", "source": f"file:{folder}", "format": "transformers",
            "task": "feature-extraction", "options": {}, "calibration": "c", "validation": "v",
            "allow": list(allow),
        }
    )  # fmt: skip


def test_the_dtype_is_that_of_the_tensors_whatever_config_says(
    exported: tuple[str, Path, Path, dict[str, Any]],
) -> None:
    kind, _, folder, made = exported

    assert made["dtype"] == DTYPES[kind]
    assert set(made["checkpoint"]) == {kind.upper()}
    assert set(weights.sizes(ir.read(folder))) == {kind}


GIVEN = {
    ("f32", "fp32"), ("f16", "fp32"), ("bf16", "fp32"),
    ("f32", "fp16"), ("f16", "fp16"), ("bf16", "fp16"),
    ("bf16", "bf16"),
    ("f32", "int8"), ("f16", "int8"), ("bf16", "int8"),
    ("f32", "int8_weights"), ("f16", "int8_weights"), ("bf16", "int8_weights"),
}  # fmt: skip


STORED = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "i8", "int8_weights": "u8"}


@pytest.mark.parametrize("precision", sorted(STORED))
def test_every_checkpoint_becomes_every_precision_that_does_not_round_it_silently(
    precision: str, exported: tuple[str, Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModel

    kind, source, folder, _ = exported
    inputs = [
        {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
        for ids in (np.arange(1000 + n, 1016 + n)[None] for n in range(4))
    ]
    samples.save(inputs, tmp_path / "inputs.npz")

    def convert() -> dict[str, Any]:
        return quantize.convert(folder, precision, {}, tmp_path / "inputs.npz", tmp_path / "out")

    if (kind, precision) not in GIVEN:
        with pytest.raises(PrecisionError, match=rf"openvino_model: 0 .* {kind} .* want fp16$"):
            convert()
        return
    made = convert()

    assert set(made["weights"]["openvino_model"]["bytes"]) == {STORED[precision]}
    original = AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    with torch.inference_mode():
        wanted = original(**{k: torch.from_numpy(v) for k, v in inputs[0].items()})
    compiled = ov.Core().compile_model(
        ir.read(tmp_path / "out"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    found = compiled(inputs[0])["last_hidden_state"]
    bound = {"int8": 0.5, "int8_weights": 0.05, "fp16": 5e-3}.get(precision, 1e-5)
    assert np.abs(found - wanted.last_hidden_state.numpy()).max() < bound


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_no_value_changes_but_those_that_fp16_has_to_round(
    precision: str, exported: tuple[str, Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    kind, _, folder, _ = exported
    given = [weights._values(constant) for constant in weights.weights(ir.read(folder))]
    rounds = precision == "fp16" and kind != "f16"

    quantize.convert(folder, precision, {}, tmp_path / "inputs.npz", tmp_path / "out")

    made = [weights._values(constant) for constant in weights.weights(ir.read(tmp_path / "out"))]
    for before, after in zip(given, made, strict=True):
        np.testing.assert_array_equal(after, before.astype(np.float16) if rounds else before)


@pytest.mark.parametrize("kind", sorted(DTYPES))
def test_a_pickle_s_dtype_is_that_of_its_tensors_too(
    kind: str, tiny_bert: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    own = getattr(torch, DTYPES[kind])
    pickled = {name: tensor.to(own) for name, tensor in tensors.items()}
    torch.save({**pickled, "position_ids": torch.arange(4)}, source / "pytorch_model.bin")
    config = json.loads((source / "config.json").read_text())
    other = "float16" if kind == "f32" else "float32"
    (source / "config.json").write_text(json.dumps(config | {"dtype": other}))

    made = export.write_ir(model(source, "pickle"), source, tmp_path / "ir")

    assert made["dtype"] == DTYPES[kind]
    size = sum(tensor.nelement() * tensor.element_size() for tensor in pickled.values())
    assert made["checkpoint"] == {kind.upper(): size, "I64": 4 * 8}
    assert set(weights.sizes(ir.read(tmp_path / "ir"))) == {kind}


def test_a_pickle_that_holds_more_than_tensors_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Path("x")}))

    with pytest.raises(ExportError, match="^pytorch_model.bin: no pickled state dict: ") as caught:
        transformers._checkpoint.sizes(tmp_path, model(tmp_path, "pickle"))

    assert len(str(caught.value).splitlines()) == 1


LAYOUTS = {
    "safetensors": ["model.safetensors"],
    "sharded safetensors": ["model.safetensors.index.json"],
    "safetensors beside a pickle": ["model.safetensors", "pytorch_model.bin"],
    "sharded safetensors beside a pickle": ["model.safetensors.index.json", "pytorch_model.bin"],
    "pickle": ["pytorch_model.bin"],
    "sharded pickle": ["pytorch_model.bin.index.json"],
    "pickle beside a sharded one": ["pytorch_model.bin", "pytorch_model.bin.index.json"],
}


def stored(names: list[str], tiny_bert: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The tiny BERT in these checkpoints, of which the first is unlike those after it."""
    import torch
    from safetensors.torch import load_file, save_file

    source = Path(shutil.copytree(tiny_bert, folder / "source"))
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    first = {name: tensor.half() for name, tensor in tensors.items()}
    for index, name in enumerate(names):
        made = first if index == 0 else {n: torch.zeros_like(t) for n, t in tensors.items()}
        stem, ending = name.removesuffix(".index.json").split(".")
        parts = {f"{stem}.{ending}": made}
        if name.endswith(".index.json"):
            half = len(made) // 2
            pieces = list(made.items())[:half], list(made.items())[half:]
            parts = {f"{stem}-0000{n}-of-00002.{ending}": dict(p) for n, p in enumerate(pieces, 1)}
            places = {tensor: file for file, part in parts.items() for tensor in part}
            (source / name).write_text(json.dumps({"metadata": {}, "weight_map": places}))
        for file, part in parts.items():
            if ending == "safetensors":
                save_file(part, source / file, metadata={"format": "pt"})
            else:
                torch.save(part, source / file)
    return source, first


@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_pickles_are_allowed_safetensors_are_loaded_first_all_the_same(
    layout: str, tiny_bert: Path, tmp_path: Path
) -> None:
    source, first = stored(LAYOUTS[layout], tiny_bert, tmp_path)
    allowing = model(source, "pickle")

    checkpoint = transformers._checkpoint.sizes(source, allowing)
    dtype = transformers._checkpoint.dtype(checkpoint)
    loaded = transformers._loading.load(source, allowing, dtype).network.state_dict()

    assert set(checkpoint) == {"F16"}
    assert all(loaded[name].equal(tensor) for name, tensor in first.items())


@pytest.mark.parametrize("layout", ["safetensors beside a pickle", "pickle beside a sharded one"])
def test_the_reference_loads_what_the_export_loads(
    layout: str, tiny_bert: Path, tmp_path: Path
) -> None:
    source, _ = stored(LAYOUTS[layout], tiny_bert, tmp_path)
    inputs = {"input_ids": np.array([[1, 2]]), "attention_mask": np.array([[1, 1]])}

    outputs = transformers.original(source, model(source, "pickle"))["openvino_model"](inputs)

    assert np.abs(outputs["last_hidden_state"]).max() > 0


def test_a_pickle_that_an_index_of_safetensors_names_is_not_loaded(
    tiny_bert: Path, tmp_path: Path
) -> None:
    source, first = stored(["pytorch_model.bin"], tiny_bert, tmp_path)
    (source / "pytorch_model.bin").rename(source / "evil.model")
    index = {"metadata": {}, "weight_map": dict.fromkeys(first, "evil.model")}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(ExportError, match=r"^evil\.model: no \*\.safetensors: .*allow: \[pickle\]"):
        transformers.export(source, model(source), tmp_path / "ir")


def test_a_source_without_weights_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no weights: want one of \['model\.safetensors'"):
        transformers._checkpoint.sizes(tmp_path, model(tmp_path))


@pytest.mark.parametrize("allowed", [True, False])
def test_a_dense_module_s_pickle_is_read_only_where_it_is_allowed(
    allowed: bool, tmp_path: Path
) -> None:
    import torch

    torch.save({"linear.weight": torch.ones(2, 2)}, tmp_path / "pytorch_model.bin")
    dense = Module(tmp_path, "Identity")

    if allowed:
        assert Layer(dense, ["pickle"])(np.ones(2)).tolist() == [2, 2]
    else:
        with pytest.raises(ExportError, match="no model.safetensors: want the Dense weights"):
            Layer(dense, [])


@pytest.mark.parametrize(
    ("checkpoint", "dtype"),
    [
        ({"F16": 2, "I64": 8}, "float16"),
        ({"F16": 2, "BF16": 2}, "float32"),
        ({"F32": 4, "F16": 2}, "float32"),
        ({"F64": 8, "F32": 4}, "float64"),
    ],
)
def test_no_value_of_a_checkpoint_is_rounded_when_it_is_loaded(
    checkpoint: dict[str, int], dtype: str
) -> None:
    import torch

    assert transformers._checkpoint.dtype(checkpoint) == getattr(torch, dtype)


def test_a_checkpoint_of_several_dtypes_is_exported_at_fp32(
    tiny_bert: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    source = Path(shutil.copytree(tiny_bert, tmp_path / "source"))
    tensors = load_file(source / "model.safetensors")
    mixed = {
        name: tensor if "LayerNorm" in name else tensor.to(torch.bfloat16)
        for name, tensor in tensors.items()
    }
    (source / "model.safetensors").unlink()
    save_file(mixed, source / "model.safetensors", metadata={"format": "pt"})

    made = export.write_ir(model(source), source, tmp_path / "ir")

    assert made["dtype"] == "float32"
    assert set(made["checkpoint"]) == {"F32", "BF16"}


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ({"names": ["no such layer"]}, "names .*no such layer.* were not found"),
        ({"types": ["NoSuch"]}, "types .*NoSuch.* were not found"),
        ({"patterns": ["("]}, "unterminated subpattern"),
    ],
)
def test_an_ignored_scope_that_nncf_cannot_take_is_said_in_one_line(
    scope: dict[str, list[str]], reason: str, tmp_path: Path
) -> None:
    precision = kinds.load("precision", "int8")
    options = precision.Options.from_dict({"ignored_scope": scope})
    with pytest.raises(PrecisionError, match=f"^precision int8: NNCF: .*{reason}") as caught:
        precision.apply(network(square()), options, Fed([{"x": square()}]))

    assert len(str(caught.value).splitlines()) == 1


# The real MiniLM


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_half_precision_copies_of_minilm_keep_the_default_gates(kind: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    params = check.load(ROOT / "params.yaml")
    minilm = params.model("minilm")
    source = tmp_path / "source"
    collect(minilm.to_dict(), source)
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    save_file(
        {
            name: tensor.to(getattr(torch, DTYPES[kind])) if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        },
        source / "model.safetensors",
        metadata={"format": "pt"},
    )
    sets = {f: d.model_copy(update={"place": str(ROOT / d.place)}) for f, d in minilm.data.items()}
    here = minilm.model_copy(update=sets)
    names = tuple(entry.path for entry in manifest.of_folder(source))
    given = _source.Given(here, source, names)
    calibration, reference = tmp_path / "calibration", tmp_path / "reference"
    exported = tmp_path / "export"

    def child(target: str, *args: object) -> Any:
        pinned = isa.ENVIRONMENT[isa.DEFAULT] if "quantize" in target else {}
        return sandbox.run(
            f"pipeline.steps.{target}",
            *args,
            returns=dict[str, Any] if target.endswith(("convert", "measure")) else type(None),
            scratch=tmp_path,
            log=tmp_path / "log",
            access=Access(reads=(ROOT / "data",)),
            env=pinned,
        )

    child("calibration:make", given, calibration)
    child("reference:make", given, reference)
    made = child("export:convert", given, exported)
    unmet = {}
    for name, variant in params.variants.items():
        recipe = variant.precision, params.options(variant)
        child(
            "quantize:convert",
            exported,
            *recipe,
            calibration / samples.INPUTS,
            tmp_path / name,
        )
        figures = child("validate:measure", tmp_path / name, reference, "CPU")
        told = {"variant": name, "cid": "", "device": "CPU", **figures}
        verdicts = gate.judge(bounds.of(params, variant), variant.gate, Accuracy.from_dict(told))
        unmet[name] = [verdict for verdict in verdicts if not verdict.met]

    assert made["checkpoint"].keys() == {kind.upper(), "I64"}
    assert unmet == {"minilm-fp32": [], "minilm-fp16": [], "minilm-int8": []}
