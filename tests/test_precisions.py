"""Weights of 8 and 4 bits: what is labelled so is so, and the record says how it came to be."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from conftest import ROOT, Fed

from pipeline import kinds
from pipeline.errors import PrecisionError, SpecError
from pipeline.networks import weights, writer
from pipeline.networks.tensors import Array, Vector
from pipeline.steps import quantize

NO_DATA = Fed()
FOUR_BITS = ("int4_sym", "int4_asym")


def matrix(rows: int, columns: int) -> Array:
    return np.random.default_rng(rows + columns).normal(size=(rows, columns)).astype(np.float32)


def network(*widths: int, table: int = 0) -> ov.Model:
    """Layers of these widths, `layer0` and so on; with a table, its rows are what goes in."""
    if table:
        parameter = ops.parameter([-1], np.int64, name="x")
        rows = ops.constant(matrix(table, widths[0]))
        value = ops.gather(rows, parameter, np.int64(0))
    else:
        value = parameter = ops.parameter([-1, widths[0]], np.float32, name="x")
    for index, shape in enumerate(zip(widths, widths[1:], strict=False)):
        weight = ops.constant(matrix(*shape))
        value = ops.matmul(value, weight, False, False, name=f"layer{index}")
    return ov.Model([ops.result(value)], [parameter], "network")


def made(
    precision: str, model: ov.Model, data: Fed = NO_DATA, **options: Any
) -> tuple[ov.Model, dict[str, Any]]:
    """A network at a precision, held to its name, and the record's figures."""
    member = kinds.load("precision", precision)
    complete = member.Options.from_dict(options)
    applied, figures = member.apply(model, complete, data)
    member.check(applied, complete)
    return applied, figures


def outputs(model: ov.Model, x: Array) -> Vector:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled({"x": x})[0]).ravel()


def calibration(count: int) -> Fed:
    """So many inputs of a network that takes 16 values."""
    return Fed({"x": matrix(1, 16)} for _ in range(count))


def test_every_precision_says_of_how_many_bits_its_weights_are() -> None:
    bits = {name: kinds.load("precision", name).BITS for name in kinds.names("precision")}

    assert bits == {
        "fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int8_weights": 8,
        "int4_sym": 4, "int4_asym": 4,
    }  # fmt: skip


# int8


@pytest.mark.parametrize(("options", "used"), [({}, 3), ({"subset_size": 2}, 2)])
def test_int8_looks_at_all_inputs_unless_it_is_told_how_many(
    options: dict[str, int], used: int, tmp_path: Path
) -> None:
    _, figures = made("int8", network(16, 16, 16), calibration(3), **options)

    assert figures == {"subset_size": used}


@pytest.mark.parametrize(
    ("count", "options", "line"),
    [
        (3, {"subset_size": 4}, "^subset_size 4: the calibration set holds only 3$"),
        (0, {}, "^subset_size not given: the calibration set holds nothing$"),
    ],
)
def test_int8_is_refused_without_the_inputs_that_it_is_told_to_look_at(
    count: int, options: dict[str, int], line: str, tmp_path: Path
) -> None:
    with pytest.raises(PrecisionError, match=line):
        made("int8", network(16, 16, 16), calibration(count), **options)


@pytest.mark.parametrize(("mode", "kind"), [("int8_asym", "u8"), ("int8_sym", "i8")])
def test_int8_weights_are_those_of_tables_and_of_the_last_layer_too(mode: str, kind: str) -> None:
    model = network(32, 32, 32, table=100)
    wanted = outputs(model, np.arange(100))

    applied, _ = made("int8_weights", model, mode=mode)

    assert weights.sizes(applied) == {kind: 32 * (32 + 32 + 100)}
    np.testing.assert_allclose(
        outputs(applied, np.arange(100)), wanted, rtol=0, atol=0.02 * float(np.abs(wanted).max())
    )


# int4


@pytest.mark.parametrize("precision", FOUR_BITS)
@pytest.mark.parametrize(
    ("width", "asked", "used"),
    [(128, 128, 128), (576, 128, 64), (96, 64, 32), (40, 128, 8), (576, -1, 576), (25, -1, 25)],
)
def test_a_group_size_that_does_not_divide_becomes_a_smaller_one_that_does(
    precision: str, width: int, asked: int, used: int
) -> None:
    model, x = network(width, width, width, width), matrix(4, width)
    wanted = outputs(model, x)

    applied, figures = made(precision, model, group_size=asked)

    assert figures["group_sizes"] == {str(used): 2}
    found = outputs(applied, x)
    assert np.corrcoef(found, wanted)[0, 1] > 0.9


def test_each_layer_has_the_group_size_that_it_can_and_the_record_counts_them() -> None:
    _, figures = made("int4_sym", network(128, 576, 40, 20, 16, 16, 8), all_layers=False)

    assert figures == {
        "group_sizes": {"8": 1, "16": 1, "64": 1, "128": 1},
        "layers": {"i4": 4, "u8": 2},
        "ratio": round(1 - (20 * 16 + 16 * 8) / (128 * 576 + 576 * 40 + 40 * 20 + 320 + 384), 4),
    }


def test_tables_and_the_last_layer_keep_eight_bits_unless_all_layers_are_asked_for() -> None:
    some, _ = made("int4_asym", network(32, 32, 64, table=100))
    all_, _ = made("int4_asym", network(32, 32, 64, table=100), all_layers=True)

    assert weights.sizes(some) == {"u8": 32 * 100 + 32 * 64, "u4": 32 * 32 // 2}
    assert weights.sizes(all_) == {"u4": 32 * (100 + 32 + 64) // 2}


def test_a_ratio_leaves_whole_layers_at_eight_bits_and_the_record_has_the_one_reached() -> None:
    applied, figures = made("int4_sym", network(*11 * [32]), ratio=0.8)

    assert figures["layers"] == {"i4": 7, "u8": 3}  # of nine; the tenth is the last
    assert figures["ratio"] == 0.7
    assert weights.sizes(applied) == {"i4": 7 * 512, "u8": 3 * 1024}


def test_what_a_recipe_leaves_out_stays_and_does_not_count_against_the_name() -> None:
    scope = {"names": ["layer0"], "patterns": [], "types": []}

    for precision in ("int8_weights", *FOUR_BITS):
        applied, _ = made(precision, network(64, 64, 32, 32), ignored_scope=scope)

        assert weights.sizes(applied)["f32"] == 64 * 64 * 4


def test_without_a_backup_the_last_layer_stays_as_it_is_where_it_is_small_enough() -> None:
    applied, _ = made("int4_sym", network(256, 256, 256, 4), backup_mode="none")

    assert weights.sizes(applied) == {"i4": 256 * 256, "f32": 256 * 4 * 4}


@pytest.mark.parametrize(
    ("model", "options", "line"),
    [
        (network(12, 12, 12), {}, "0 of 288 values .* want 0.9 of them"),  # no size divides
        (network(16, 16), {}, "0 of 256 values .* all_layers"),  # only a last layer
        (network(16, 16, table=99), {}, "0 of 256 values"),
        (network(64, 12, 64, 64), {}, "768 of 5632 values"),
        (
            network(16, 16, 16, table=99), {"backup_mode": "none"},
            "128 of the weights' 7488 bytes are i4 or i8 or u4 or u8: want 0.9",
        ),
    ],
)  # fmt: skip
def test_what_is_not_of_four_bits_is_not_called_so(
    model: ov.Model, options: dict[str, Any], line: str
) -> None:
    with pytest.raises(PrecisionError, match=f"^precision int4_sym: network: {line}"):
        made("int4_sym", model, **options)


@pytest.mark.parametrize("precision", FOUR_BITS)
def test_a_network_of_eight_bits_is_not_taken_for_one_of_four(precision: str) -> None:
    eight, _ = made("int8_weights", network(64, 64, 64))
    member = kinds.load("precision", precision)

    for options in ({}, {"ratio": 0.5}, {"all_layers": True}):
        with pytest.raises(PrecisionError, match="0 of 8192 values that MatMuls multiply by"):
            member.check(eight, member.Options.from_dict(options))


@pytest.mark.parametrize("channels", [1, 8])
def test_what_consists_of_convolutions_which_keep_eight_bits_is_not_called_int4(
    channels: int,
) -> None:
    x = ops.parameter([1, channels, 9, 9], np.float32, name="x")
    filters = ops.constant(np.ones((64, channels, 3, 3), np.float32))
    seen = ops.convolution(x, filters, [1, 1], [0, 0], [0, 0], [1, 1])
    hidden = ops.matmul(ops.reduce_mean(seen, [2, 3]), ops.constant(matrix(64, 16)), False, False)
    last = ops.matmul(hidden, ops.constant(matrix(16, 4)), False, False)
    model = ov.Model([ops.result(last)], [x], "network")

    if channels == 1:  # 576 values of the filters, 1088 of the layers
        assert made("int4_sym", model)[1]["ratio"] == round(1024 / 1664, 4)
    else:
        with pytest.raises(PrecisionError, match="mostly convolutions, .* want int8_weights$"):
            made("int4_sym", model)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"ratio": 0.3}, "ratio: 0.3: input should be greater than or equal to 0.5"),
        ({"group_size": 100}, "group_size: 100: input should be -1, 8, 16, 32, 64, 128 or 256"),
        ({"backup_mode": "int4"}, "backup_mode: 'int4': input should be 'none', 'int8_sym' or "),
        ({"awq": True}, "unknown key 'awq': have .*'group_size'"),
    ],
)
def test_an_option_that_int4_does_not_have_is_said_in_one_line(
    options: dict[str, Any], line: str
) -> None:
    with pytest.raises(SpecError, match=line) as caught:
        kinds.load("precision", "int4_sym").Options.from_dict(options, "q", SpecError)

    assert len(str(caught.value).splitlines()) == 1


# bytes

CASES = ("int8_weights", "int4_sym", "int4_sym@0.7", "int4_asym", "int4_asym@0.7")


def convert_all(folder: Path, cases: Sequence[str]) -> dict[str, bytes]:
    """The files of one small network at each precision, made one after another."""
    (folder / "source").mkdir(parents=True)
    writer.write(network(96, 576, 64, 64, 32, 16, table=50), folder / "source")
    for case in cases:
        name, _, ratio = case.partition("@")
        options: dict[str, object] = {"ratio": float(ratio)} if ratio else {}
        quantize.convert(folder / "source", name, options, folder / "none", folder / case)
    files = [path for case in cases for path in (folder / case).iterdir()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.soak
def test_another_process_gives_the_same_bytes_in_another_order(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from test_precisions import convert_all;"
        "convert_all(Path(sys.argv[1]), sys.argv[2:])"
    )

    here = convert_all(tmp_path / "here", CASES)
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "there"), *CASES[::-1]],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        timeout=120,
    )

    assert len(here) == 2 * len(CASES)
    assert here == {name: (tmp_path / "there" / name).read_bytes() for name in here}
