"""A session: what it takes, what it answers, and what it costs over the bare runtime."""

import gc
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

from pipeline.errors import DataError, DeviceError
from pipeline.networks.session import Hint, Session


def model(
    shapes: dict[str, Sequence[int]],
    answer: Callable[..., Any],
    dtype: Any = np.float32,
) -> ov.Model:
    """A model of these inputs whose output `out` a function makes of them."""
    inputs = [op.parameter(shape, dtype, name=name) for name, shape in shapes.items()]
    for node, name in zip(inputs, shapes, strict=True):
        node.output(0).get_tensor().set_names({name})
    out = answer(*inputs).output(0)
    out.get_tensor().set_names({"out"})
    return ov.Model([op.result(out)], inputs)


def doubled(dtype: Any = np.float32, shape: Sequence[int] = (-1, -1)) -> Session:
    """One that answers twice what it is fed as `x`."""
    return Session(model({"x": shape}, lambda x: op.multiply(x, op.constant(2, dtype)), dtype))


def test_the_shape_may_change_from_call_to_call() -> None:
    session = doubled()

    for shape in ((1, 4), (2, 3), (1, 4), (300, 300), (2, 3), (300, 300), (400, 200), (0, 4)):
        given = np.random.default_rng(0).random(shape, np.float32)
        np.testing.assert_array_equal(session.infer({"x": given})["out"], given * 2)


def test_an_output_may_have_a_shape_that_depends_on_values() -> None:
    session = Session(model({"x": [-1]}, lambda x: op.non_zero(x, "i64")))

    lengths = [
        session.infer({"x": np.array(x, np.float32)})["out"].shape[1] for x in ([1, 0], [1, 2])
    ]

    assert lengths == [1, 2]


@pytest.mark.parametrize("size", [4, 300])  # copied in, and shared
def test_outputs_survive_the_next_call_and_inputs_are_left_alone(size: int) -> None:
    session = doubled()
    given = np.ones((size, size), np.float32)

    first = session.infer({"x": given})["out"]
    session.infer({"x": given * 5})
    session.infer({"x": np.zeros((2, 2), np.float32)})

    assert (first == 2).all()
    assert (given == 1).all()


def test_a_large_array_may_be_gone_after_the_call() -> None:
    session = doubled()
    for factor in range(5):
        out = session.infer({"x": np.full((400, 400), factor, np.float32)})["out"]
        gc.collect()
        assert (out == 2 * factor).all()


def test_arrays_that_cannot_be_shared_are_copied() -> None:
    session = doubled()
    given = np.arange(160_000, dtype=np.float32).reshape(400, 400)
    locked = given.copy()
    locked.flags.writeable = False

    for x in (given.T, given[::2, ::2], locked):
        np.testing.assert_array_equal(session.infer({"x": x})["out"], x * 2)


@pytest.mark.parametrize(
    "given", [np.array([[3]], np.int32), [[3]], np.array([[3.0]]), np.array([[True]]) * np.int8(3)]
)
def test_a_type_that_holds_the_values_is_converted(given: Any) -> None:
    out = doubled(np.int64).infer({"x": given})["out"]

    assert out.dtype == np.int64
    assert out.tolist() == [[6]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.array([[0.5]]), "input 'x' is float64 with values that i32 does not hold"),
        (np.array([[2**40]]), "input 'x' is int64 with values that i32 does not hold"),
        (np.array([["a"]]), "input 'x' is <U1 with values that i32 does not hold"),
        (np.array([[np.nan]]), "float64"),
        (np.zeros(3, np.int32), r"input 'x' has the shape \[3\]: the network wants \[\?,\?\]"),
    ],
)
def test_what_does_not_fit_is_named(given: Any, said: str) -> None:
    session = doubled(np.int32)

    with pytest.raises(DataError, match=said):
        session.infer({"x": given})
    assert session.infer({"x": np.array([[4]], np.int32)})["out"].tolist() == [[8]]


def test_a_scalar_is_an_input_too() -> None:
    session = doubled(shape=())

    for given in (np.float32(3), 3.0, np.array(3, np.float32), 3):
        assert session.infer({"x": given})["out"] == 6


def test_texts_are_inputs_too() -> None:
    pytest.importorskip("openvino_tokenizers")
    session = Session(model({"x": [-1]}, lambda x: op.shape_of(x, "i64"), ov.Type.string))

    assert session.infer({"x": np.array(["a", "bc"])})["out"].tolist() == [2]
    assert session.infer({"x": ["a", "bc", "d"]})["out"].tolist() == [3]


def test_what_it_does_not_want_is_left_out_and_what_it_lacks_is_made() -> None:
    session = Session(model({"input_ids": [-1, -1], "attention_mask": [-1, -1]}, op.add, np.int64))

    out = session.infer({"input_ids": np.array([[4, 5]]), "else": np.zeros(3)})["out"]

    assert out.tolist() == [[5, 6]]
    with pytest.raises(DataError, match="wants an input 'input_ids'"):
        session.infer({"attention_mask": np.array([[1]])})


@pytest.mark.parametrize("names", [{"x", "498"}, {"498", "7", "x"}])
def test_of_several_names_it_is_the_one_that_means_something(names: set[str]) -> None:
    given = model({"x": [1]}, op.relu)
    for port in (given.inputs[0], given.outputs[0]):
        port.get_tensor().set_names(names)

    session = Session(given)

    assert (session.inputs, session.outputs) == (["x"], ["x"])
    assert session.infer({"x": [2.0]})["x"].tolist() == [2]


@pytest.mark.parametrize("hint", ["LATENCY", "THROUGHPUT"])
def test_threads_may_share_a_session(hint: Hint) -> None:
    given = model({"x": [-1, -1]}, lambda x: op.multiply(x, op.constant(2, np.float32)))
    session = Session(given, hint=hint)
    wrong = []

    def call(value: int) -> None:
        for _ in range(300):
            given = np.full((value, 3), value, np.float32)
            out = session.infer({"x": given})["out"]
            if out.shape != given.shape or (out != 2 * value).any():
                wrong.append(value)

    threads = [threading.Thread(target=call, args=(value,)) for value in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU", "BATCH:CPU(4)"])
def test_every_kind_of_device_string_answers_the_same(device: str) -> None:
    session = Session(
        model({"x": [2, 3]}, lambda x: op.multiply(x, op.constant(2, np.float32))), device
    )

    for value in (1, 7):
        out = session.infer({"x": np.full((2, 3), value, np.float32)})["out"]
        assert (out == 2 * value).all()
    assert session.execution_devices == ("CPU",)


def test_a_property_reaches_openvino() -> None:
    session = Session(doubled_model := model({"x": [2]}, op.relu), properties={"NUM_STREAMS": 1})

    assert session.compiled.get_property("NUM_STREAMS") == 1
    with pytest.raises(DeviceError, match="NO_SUCH"):
        Session(doubled_model, properties={"NO_SUCH": 1})


def test_a_call_adds_microseconds_to_a_bare_request() -> None:
    session = doubled()
    given = {"x": np.ones((1, 4), np.float32)}
    bare = session.compiled.create_infer_request()
    bare.set_tensor("x", ov.Tensor(given["x"]))
    best = dict.fromkeys(("bare", "session", "compiled"), np.inf)
    calls = {
        "bare": bare.infer,
        "session": lambda: session.infer(given),
        "compiled": lambda: session.compiled(given),
    }

    for _ in range(300):  # the best of many short turns: neighbours disturb the others
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(20):
                call()
            best[name] = min(best[name], (time.perf_counter() - started) / 20 * 1e6)

    assert best["session"] < 2 * best["bare"]  # by microseconds: benchmarks/runtime.py
    assert best["session"] < best["compiled"]
