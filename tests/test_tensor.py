"""The task of bare models: inputs of a seed or of arrays, and what it is judged by."""

from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from built import Built

from pipeline.errors import DataError, ExportError, SpecError
from pipeline.networks import samples
from pipeline.networks.invented import OPEN
from pipeline.spec import Model
from pipeline.tasks import tensor

LABELLED = ["accuracy", "agreement"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    graphs.saved(graphs.mlp((16, 8)), folder / "net.onnx")
    graphs.saved(graphs.mixed_inputs(), folder / "mixed" / "net.onnx")
    return folder


def model_of(source: Path, **fields: Any) -> Model:
    plain = {"name": "m", "source": f"file:{source}/net.onnx", "format": "onnx", "task": "tensor"}
    return Model.from_dict(plain | fields, error=SpecError)


def invented(source: Path, count: int = 50, **fields: Any) -> list[Any]:
    model = model_of(source, **fields)
    items = tensor.invent(source, model, tensor.Resolved(), count, 0)
    return tensor.encode(items, source, model, tensor.Resolved())


def test_inputs_are_what_the_file_says_and_the_same_of_the_same_seed(source: Path) -> None:
    first, again = invented(source / "mixed"), invented(source / "mixed")

    assert {name: (a.shape, str(a.dtype)) for name, a in first[0].items()} == {
        "ids": ((1, OPEN), "int32"),
        "mask": ((1, OPEN), "bool"),
        "factor": ((), "float32"),
    }
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert not np.array_equal(first[0]["mask"], first[1]["mask"])


def test_an_entry_says_what_the_file_leaves_open(source: Path) -> None:
    declared = {"ids": {"shape": [-1, 7], "type": "i32", "low": 3, "high": 9}}

    seen = invented(source / "mixed", inputs=declared)

    ids = np.concatenate([one["ids"] for one in seen])
    assert ids.shape == (50, 7)
    assert (ids.min(), ids.max()) == (3, 9)


def test_what_is_tried_where_an_axis_is_open_is_noted(source: Path) -> None:
    _, notes = tensor.resolve(model_of(source / "mixed"), source / "mixed")
    _, none = tensor.resolve(model_of(source), source)

    assert (
        "tried at {'ids': [1, 64], 'mask': [1, 64]}: inputs: of models.m says otherwise" in notes[0]
    )
    assert none == []


def test_an_input_that_the_network_has_not_is_refused(source: Path) -> None:
    with pytest.raises(ExportError, match=r"models.m.inputs: 'y': the network takes \['x'\]"):
        tensor.takes(source, model_of(source, inputs={"y": {"shape": [1, 16]}}))


@pytest.mark.parametrize("shape", [[1, 0.5], ["n"], [-2]])
def test_a_declared_shape_that_is_none_is_refused(source: Path, shape: list[Any]) -> None:
    with pytest.raises(SpecError, match=r"inputs\.x\.shape\."):
        model_of(source, inputs={"x": {"shape": shape}})


def test_a_benchmark_takes_as_many_as_it_is_asked_for(source: Path) -> None:
    asked, mixed = tensor.Sizes(batch=5), source / "mixed"

    made = tensor.sized(source, model_of(source), tensor.Resolved(), asked)

    assert made["x"].shape == (5, 16)
    with pytest.raises(DataError, match=r"sizes.batch: 5: models.m takes 'factor' of shape \[\]"):
        tensor.sized(mixed, model_of(mixed), tensor.Resolved(), asked)


def test_labelled_arrays_are_judged_by_the_metrics_that_the_entry_names(
    source: Path, tmp_path: Path
) -> None:
    x = np.random.default_rng(1).standard_normal((40, 16)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, labels=np.arange(40) % 8)
    fields = {"validation": str(tmp_path / "data.npz"), "metrics": LABELLED}

    made = Built(model_of(source, **fields), source, tmp_path)

    found = made.accuracy(made.folder).executions[0]
    figures = {figure.metric: figure for figure in found.figures}
    wanted = samples.load(made.reference / samples.OUTPUTS)
    right = [int(one["scores"].argmax()) == row % 8 for row, one in enumerate(wanted)]
    assert figures["accuracy"].reference == pytest.approx(np.mean(right))
    assert figures["accuracy"].drop is not None
    assert figures["agreement"].value == 1


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"y": np.ones((3, 16), np.float32)}, "no array 'x': want"),
        ({"x": np.ones((3, 15), np.float32)}, r"'x' of shape \[1, 15\]: want \[-1, 16\]"),
        ({"x": np.ones((3, 16)), "labels": np.ones(2)}, "want a first axis that counts items"),
        ({"x": np.float32(1)}, "want a first axis that counts items"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    source: Path, tmp_path: Path, arrays: dict[str, Any], line: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)

    def read() -> None:
        items = tensor.items(tmp_path / "data.npz")
        tensor.encode(items, source, model_of(source), tensor.Resolved())

    with pytest.raises(DataError, match=line):
        read()


def test_a_file_that_is_no_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"PK\3\4 and no more")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")

    for name in ("data.npz", "one.npz"):
        with pytest.raises(DataError, match="no .npz of arrays"):
            tensor.items(tmp_path / name)
