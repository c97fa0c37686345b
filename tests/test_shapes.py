"""Shapes and pre-processing that an entry puts around a network, from params.yaml to answers."""

import json
from pathlib import Path
from typing import Any

import cnn
import numpy as np
import openvino as ov
import pytest
from built import Built
from click.testing import CliRunner
from conftest import PARAMS
from openvino import opset13 as op
from PIL import Image
from trained import DIGITS, ROOT, Trained

from pipeline import check, kinds, sizes
from pipeline.cli.infer import command as infer
from pipeline.errors import DataError, ExportError, SpecError
from pipeline.exporters import _pixels, _prepared
from pipeline.networks import description, ir, samples
from pipeline.networks.batched import Batched, static
from pipeline.networks.session import Session
from pipeline.networks.sessions import open_session
from pipeline.preprocess import Preprocess
from pipeline.runtime.backend import OpenVINOBackend
from pipeline.runtime.loaded import load
from pipeline.spec import Model
from pipeline.steps import export, reference
from pipeline.steps._contenders import OpenVINO

ENTRY = {"name": "m", "source": "file:x", "format": "onnx", "task": "tensor"}
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
PILLOW = ("RESIZE_BILINEAR_PILLOW", "RESIZE_BICUBIC_PILLOW")


def entry(**fields: Any) -> Model:
    return Model.from_dict(ENTRY | fields, "models.m", SpecError)


def identity(*shape: int, name: str = "x") -> ov.Model:
    """A network that gives what it is fed, one axis of which it cannot have otherwise."""
    given = op.parameter(list(shape), np.float32, name=name)
    given.output(0).set_names({name})
    added = op.add(given, op.constant(np.zeros((1, *shape[1:2], *[1] * (len(shape) - 2)), "f4")))
    added.output(0).set_names({"y"})
    return ov.Model([op.result(added)], [given], "net")


def noise(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def photo(height: int, width: int) -> Any:
    """A picture with edges and with fine structure."""
    coarse = noise(height // 8 + 1, width // 8 + 1, 3).repeat(8, 0).repeat(8, 1)[:height, :width]
    fine = np.random.default_rng(1).integers(-32, 33, (height, width, 3))
    return np.clip(coarse + fine, 0, 255).astype(np.uint8)


# Shapes


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        ([4, 3, 8, 8], "[4,3,8,8]"),
        ({"x": [-1, 3, "8..64", -1]}, "[?,3,8..64,?]"),
        ({"x": ["1..8", 3, 8, 8]}, "[1..8,3,8,8]"),
        ({"of another network": [1]}, "[?,3,?,?]"),
        (None, "[?,3,?,?]"),
    ],
)
def test_a_network_has_the_shapes_that_its_entry_gives(shapes: Any, found: str) -> None:
    made = _prepared.prepared(identity(-1, 3, -1, -1), entry(shapes=shapes))

    assert made.input("x").partial_shape.to_string() == found


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([4, 8, 8], r"models.m.shapes: \[4, 8, 8\]: input 'x' has 4 axes, \[\?,3,\?,\?\]"),
        ([4, 5, 8, 8], r"models.m.shapes: {'x': '\[4,5,8,8\]'}: OpenVINO: .*[Aa]rgument shapes"),
    ],
)
def test_what_a_network_cannot_take_is_told_in_a_line(shapes: Any, said: str) -> None:
    with pytest.raises(ExportError, match=said) as raised:
        _prepared.prepared(identity(-1, 3, -1, -1), entry(shapes=shapes))

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "told",
    [
        {"shapes": [-1, 3, 8, 6]},
        {"shapes": {"x": [4, 3, 8, 6]}},
        {"inputs": {"x": {"shape": [-1, 3, 8, 6]}}},
        {"preprocess": {"resize": "RESIZE_LINEAR", "size": [8, 6]}},
    ],
)
def test_a_picture_gets_the_size_that_the_entry_tells_of_the_network(told: dict[str, Any]) -> None:
    [one] = entry(**({"preprocess": {"resize": "RESIZE_LINEAR"}} | told)).pictures.values()

    assert one.size == (8, 6)


@pytest.mark.parametrize("field", ["shapes", "preprocess"])
def test_an_input_that_no_network_has_is_told_by_name(field: str) -> None:
    given = {"shapes": {"y": [1]}, "preprocess": {"y": {}}}[field]

    with pytest.raises(ExportError, match=rf"models.m.{field}: input 'y': have \['x'\]"):
        _prepared.check_names(["x"], entry(**{field: given}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shapes": [0]}, "shapes.0: 0: want a number of elements, -1 for an open axis, or a ran"),
        ({"shapes": {"x": ["8..1"]}}, "shapes.x.0: '8..1': want a number"),
        ({"preprocess": {"resize": "BILINEAR"}}, "preprocess.resize: 'BILINEAR': input should be"),
        ({"preprocess": {"mean": 1, "std": 2}}, "preprocess: unknown key 'std': have .*'scale'"),
        (
            {"preprocess": {"x": {"mean": 0.485, "scale": 0.229}}},
            r"preprocess.x.scale.0: 0.229: pixels are 0 to 255 here: want 58.395 \(255 times",
        ),
    ],
)
def test_an_entry_is_read_strictly(fields: Any, said: str) -> None:
    with pytest.raises(SpecError, match=f"^models.m.{said}"):
        entry(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            "preprocess: {resize: RESIZE_LINEAR}",
            r"models.tiny.preprocess.resize: 'RESIZE_LINEAR': want size: \[height, width\]",
        ),
        (
            "preprocess: {scale: [1, 2]}",
            r"preprocess.scale: \[1.0, 2.0\]: want one number, or .* 3",
        ),
        (
            "preprocess: {size: [8, 8]}\n    shapes: [1, 3, 9, 9]",
            r"preprocess.size: \[8, 8\]: shapes say \[9, 9\]",
        ),
        ("preprocess: {color_format: GRAY}", "color_format: 'GRAY': the network takes RGB"),
        (
            "shapes: [2, 16]",
            r"benchmark.sizes.1.length: 8: models.tiny.shapes allow 16 only: want "
            r"models.tiny.sizes: \[{length: 16, batch: 2}\]",
        ),
        (
            "shapes: [4, 16]\n    sizes: [{batch: 1}]",
            r"models.tiny.sizes.0.batch: 1: .* allow 4 only",
        ),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(
    fields: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("    allow: []\n", f"    allow: []\n    {fields}\n"))

    with pytest.raises(SpecError, match=said):
        check.load(path)


def test_static_shapes_are_the_sizes_of_a_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    given = PARAMS.replace("    allow: []\n", "    allow: []\n    shapes: [4, 16]\n")
    path.write_text(given.replace(", sizes: [{batch: 2, length: 16}, {length: 8}]", ""))
    params = check.load(path)

    assert sizes.of(params, params.model("tiny")) == ({"batch": 4, "length": 16},)


# A static batch


@pytest.mark.parametrize("items", [1, 3, 4, 9])
def test_any_number_of_items_goes_through_a_static_batch(items: int) -> None:
    given = np.random.default_rng(0).random((items, 3), np.float32)

    made = open_session(identity(4, 3)).infer({"x": given, "unused": given})

    np.testing.assert_array_equal(made["y"], given)


def test_a_network_of_any_batch_is_a_plain_session() -> None:
    assert type(open_session(identity(-1, 3))) is Session
    assert type(open_session(identity(4, 3))) is not Session


def test_what_does_not_belong_together_is_no_batch() -> None:
    def never(inputs: Any) -> Any:
        raise AssertionError(inputs)

    never.reset = lambda: None  # type: ignore[attr-defined]
    network = Batched(never, 4, ["a", "b"])  # type: ignore[arg-type]

    with pytest.raises(DataError, match="inputs of {'a': 2, 'b': 3} items: want as many of each"):
        network({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))})


# Pre-processing against Pillow and NumPy


@pytest.mark.parametrize("shape", [(90, 130), (24, 32), (15, 20)])
@pytest.mark.parametrize("resize", [*PILLOW, "RESIZE_NEAREST", "RESIZE_LINEAR", "RESIZE_CUBIC"])
def test_a_picture_is_resized_in_the_ir_as_by_pillow_and_numpy(
    resize: str, shape: tuple[int, int]
) -> None:
    wanted = Preprocess(resize=resize, size=(24, 32))  # type: ignore[arg-type]
    pictures = photo(*shape)[None]
    network = _prepared.prepared(
        identity(-1, 3, 24, 32), entry(preprocess={"resize": resize, "size": [24, 32]})
    )

    made = ov.compile_model(network, "CPU", F32)({"x": pictures})["y"]

    apart = np.abs(made - _pixels.made(pictures, wanted))
    assert network.input("x").partial_shape.to_string() == "[?,?,?,3]"
    if resize in PILLOW:  # where a half is rounded: of 255 levels one, in one pixel of ten at most
        assert apart.max() <= 1
        assert np.mean(apart > 0) < 0.1
    else:
        assert apart.max() < 0.01


@pytest.mark.parametrize(
    ("fields", "channels"),
    [
        ({}, 3),
        ({"model_color_format": "BGR"}, 3),
        ({"color_format": "BGR", "layout": "NCHW"}, 3),
        ({"model_layout": "NHWC", "color_format": "BGR"}, 3),
        ({"model_color_format": "GRAY"}, 1),
        ({"color_format": "BGR", "model_color_format": "GRAY"}, 1),
        ({"color_format": "GRAY", "model_color_format": "GRAY", "model_layout": "NHWC"}, 1),
    ],
)
def test_colours_and_layouts_are_changed_in_the_ir_as_in_numpy(
    fields: dict[str, Any], channels: int
) -> None:
    several = {"mean": [10, 20, 30], "scale": [2, 4, 8]} if channels == 3 else {"mean": 7.5}
    wanted = Preprocess.from_dict({"size": [8, 6], **several, **fields})
    shapes = {"NCHW": (-1, channels, 8, 6), "NHWC": (-1, 8, 6, channels)}
    fed = noise(2, 8, 6, 1 if wanted.is_grey else 3)
    fed = fed.transpose(0, 3, 1, 2) if wanted.layout == "NCHW" else fed
    plain = op.parameter(list(shapes[wanted.model_layout]), np.float32, name="x")
    plain.output(0).set_names({"x"})
    result = op.relu(op.add(plain, np.float32(1000)))
    network = ov.Model([op.result(result)], [plain], "net")

    network = _prepared.prepared(network, entry(preprocess=wanted.to_dict()))

    made = ov.compile_model(network, "CPU", F32)([fed])[0] - 1000
    apart = np.abs(made - _pixels.made(fed, wanted))
    assert apart.max() < (1.01 if channels == 1 else 1e-3)  # greys are rounded a level apart
    assert apart.mean() < 0.02


def test_a_network_of_another_layout_is_told_how_to_say_so() -> None:
    with pytest.raises(ExportError, match=r"input 'x' is \[\?,8,8,3\]: want 3 channels in model_l"):
        _prepared.prepared(identity(-1, 8, 8, 3), entry(preprocess={}))


# A bare model of pictures, from the file to its answers


@pytest.fixture(scope="module")
def digits_cnn() -> Trained:
    return cnn.digits_cnn(ROOT / ".work")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, digits_cnn: Trained) -> Built:
    """The ONNX network with everything inside, judged on some of the pictures."""
    folder = tmp_path_factory.mktemp("cnn")
    data = {"from": str(digits_cnn.validation), "first": 60}
    return Built(entry(**cnn.ENTRY, validation=data), digits_cnn.model, folder)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory, digits_cnn: Trained) -> Path:
    """A digit as somebody might have it: larger, and no square."""
    path = tmp_path_factory.mktemp("picture") / "seven.png"
    first = sorted(digits_cnn.validation.glob("seven/*.png"))[0]
    Image.open(first).convert("RGB").resize((90, 70), Image.Resampling.NEAREST).save(path)
    return path


def scores(folder: Path, picture: Path) -> Any:
    """Of raw pixels, by OpenVINO alone."""
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    network = ov.Core().compile_model(folder / "openvino_model.xml", "CPU", F32)
    return network(pixels[None])[0]


def test_an_artifact_fed_raw_pixels_gives_what_the_original_gives(
    seen: Built, picture: Path, digits_cnn: Trained
) -> None:
    import onnxruntime

    made = cnn.pixels([Image.open(picture).convert("RGB")])
    session = onnxruntime.InferenceSession(digits_cnn.model / "cnn.onnx")
    [wanted] = session.run(None, {"image": made})

    found = scores(seen.folder, picture)

    # One pixel in a hundred is a level of 255 apart, of 60 to a unit.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.02 * np.abs(wanted).max())
    assert DIGITS[int(found.argmax())] == "seven"


def test_its_figures_are_those_of_the_original_in_its_own_runtime(seen: Built) -> None:
    found = seen.accuracy(seen.folder).executions[0].bounded()

    assert found["max_abs_error"] < 1e-2
    assert found["agreement"] == 1
    assert found["accuracy"] > 0.9
    assert found["accuracy_drop"] == 0


def test_an_artifact_says_how_it_is_fed(seen: Built) -> None:
    told = description.read(seen.folder)
    info = {k: v.astype(str) for k, v in ir.read(seen.folder).rt_info["model_info"].items()}

    assert told.format == 2
    assert told.preprocess == {"image": Preprocess.from_dict(cnn.PREPROCESS)}
    assert told.options == {"labels": list(DIGITS)}
    assert info == {
        "model_type": "Classification",
        "labels": " ".join(DIGITS),
        "reverse_input_channels": "True",
    }


def test_one_without_says_nothing_and_is_of_the_first_format(tmp_path: Path) -> None:
    told = description.Description(
        format=1, task="tensor", networks=("openvino_model",), options={}
    )
    description.write(tmp_path, told)

    fields = json.loads((tmp_path / description.FILE).read_text())
    assert fields.keys() == {"format", "networks", "options", "task"}
    assert description.read(tmp_path) == told


def test_the_same_source_gives_the_same_bytes_with_it_too(
    seen: Built, digits_cnn: Trained, tmp_path: Path
) -> None:
    again = Built(entry(**cnn.ENTRY), digits_cnn.model, tmp_path)

    for path in seen.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_int8_is_calibrated_on_raw_pixels(seen: Built) -> None:
    int8 = seen.at("int8")

    assert seen.accuracy(int8).executions[0].bounded()["agreement"] > 0.9
    assert ir.read(int8).input("image").partial_shape.to_string() == "[?,?,?,3]"
    assert description.read(int8) == description.read(seen.folder)


def test_the_runtime_answers_a_picture(seen: Built, picture: Path) -> None:
    of_path = load(str(seen.folder), execution="f32")(picture)
    of_pixels = OpenVINOBackend().run_inference(
        str(seen.folder), np.asarray(Image.open(picture).convert("RGB"))
    )
    shown = CliRunner().invoke(infer, [str(seen.folder), "--image", str(picture), "--json"])

    assert of_path[0][0]["label"] == "seven"
    assert of_pixels["status"] == "success", of_pixels
    assert of_pixels["results"][0][0]["label"] == "seven"
    assert json.loads(shown.output)["answers"][0][0]["label"] == "seven"


def test_pictures_of_one_size_fill_a_static_batch(
    digits_cnn: Trained, seen: Built, tmp_path: Path
) -> None:
    shaped = entry(**cnn.ENTRY, shapes=[4, 3, cnn.SIDE, cnn.SIDE])
    built = Built(shaped, digits_cnn.model, tmp_path)
    pictures = sorted(digits_cnn.validation.glob("*/*.png"))[:6]
    loaded, plain = (load(str(b.folder), execution="f32") for b in (built, seen))

    assert loaded.sessions[ir.MODEL].takes == {"image": (4, -1, -1, 3)}
    for one, other in zip(loaded(pictures), plain(pictures), strict=True):
        assert [a["label"] for a in one] == [a["label"] for a in other]
        np.testing.assert_allclose(one[0]["score"], other[0]["score"], atol=1e-5)
    assert static(ir.read(built.at("int8", subset_size=8))) == 4


def test_an_original_of_a_static_batch_is_fed_like_its_ir(
    digits_cnn: Trained, tmp_path: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(digits_cnn.model / "cnn.onnx").graph
    (tmp_path / "source").mkdir()
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    cnn.save(tmp_path / "source" / "cnn.onnx", weights, batch=4)

    built = Built(entry(**cnn.ENTRY), tmp_path / "source", tmp_path)

    assert built.accuracy(built.folder).executions[0].bounded()["max_abs_error"] < 1e-2


def test_a_picture_of_another_size_is_refused_where_nothing_resizes(
    digits_cnn: Trained, picture: Path, tmp_path: Path
) -> None:
    without = {k: v for k, v in cnn.PREPROCESS.items() if k != "resize"}
    built = Built(entry(**(cnn.ENTRY | {"preprocess": without})), digits_cnn.model, tmp_path)

    with pytest.raises(DataError, match=r"seven.png: 70 x 90 pixels: want 24 x 24: preprocess has"):
        load(str(built.folder))(picture)

    assert ir.read(built.folder).input("image").partial_shape.to_string() == "[?,24,24,3]"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"options": {}}, "models.m.options.labels: None: there is no config.json: want the label"),
        ({"options": {"labels": 9}}, "models.m: 9 labels: the network has 10 outputs"),
        (
            {"preprocess": None},
            "no preprocessor_config.json: want preprocess: in the model's entry",
        ),
    ],
)
def test_a_bare_model_of_pictures_lacks_nothing_in_silence(
    fields: dict[str, Any], said: str, digits_cnn: Trained, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=said):
        Built(entry(**(cnn.ENTRY | fields)), digits_cnn.model, tmp_path)


def test_labels_may_be_a_number_and_vectors_need_none(digits_cnn: Trained, tmp_path: Path) -> None:
    by_number = entry(**(cnn.ENTRY | {"options": {"labels": 10}}))
    vectors = entry(**(cnn.ENTRY | {"task": "image-feature-extraction", "options": {}}))

    options, _ = kinds.load("task", by_number.task).resolve(by_number, digits_cnn.model)
    built = Built(vectors, digits_cnn.model, tmp_path)

    assert options.labels[-1] == "LABEL_9"
    assert load(str(built.folder))(noise(20, 30, 3))[0].shape == (10,)


def test_a_task_of_tensors_makes_up_raw_pictures(digits_cnn: Trained, tmp_path: Path) -> None:
    bare = {"task": "tensor", "preprocess": cnn.PREPROCESS, "shapes": [2, 3, cnn.SIDE, cnn.SIDE]}
    built = Built(entry(**bare), digits_cnn.model, tmp_path)

    [first, *_] = samples.load(built.reference / samples.INPUTS)

    assert (first["image"].dtype, first["image"].shape[-1]) == (np.uint8, 3)
    assert built.accuracy(built.folder).executions[0].bounded()["cosine_min"] > 0.9999


# transformers


def test_a_vit_with_everything_inside_gives_what_its_processor_and_it_give(
    digits: Trained, tmp_path: Path
) -> None:
    inside = {"resize": "RESIZE_BILINEAR_PILLOW", "mean": 127.5, "scale": 127.5}
    fields = {"format": "transformers", "task": "image-classification"}
    data = {"from": str(digits.validation), "first": 20}
    shaped = {"shapes": [2, 3, 16, 16], "preprocess": inside}
    built = Built(entry(**fields, **shaped, validation=data), digits.model, tmp_path)
    plain = entry(**fields, validation=data)
    reference.write(plain, digits.model, tmp_path / "plain")

    by_processor = samples.load(tmp_path / "plain" / samples.OUTPUTS)
    by_us = samples.load(built.reference / samples.OUTPUTS)

    for one, other in zip(by_us, by_processor, strict=True):
        np.testing.assert_allclose(one["logits"], other["logits"], atol=1e-4)
    assert built.accuracy(built.folder).executions[0].bounded()["max_abs_error"] < 1e-3
    assert ir.read(built.folder).input(0).partial_shape.to_string() == "[2,?,?,3]"


TEXTS = ["It rains.", "Nobody saw the small grey cat that slept under the stairs all day long", ""]


@pytest.fixture(scope="module")
def static_bert(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Built:
    """The small BERT, which takes two texts of 16 tokens and nothing else."""
    folder = tmp_path_factory.mktemp("static")
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    fields = {"format": "transformers", "task": "feature-extraction", "shapes": [2, 16]}
    return Built(entry(**fields, validation=str(folder / "texts.txt")), tiny_bert, folder)


def test_texts_are_filled_up_and_cut_to_a_static_length(static_bert: Built) -> None:
    inputs = samples.load(static_bert.reference / samples.INPUTS)

    assert [sample["input_ids"].shape for sample in inputs] == [(1, 16)] * 3
    assert [int(sample["attention_mask"].sum()) for sample in inputs] == [5, 16, 2]
    assert description.read(static_bert.folder).options["max_length"] == 16
    found = static_bert.accuracy(static_bert.folder).executions[0]
    assert found.bounded()["max_abs_error"] < 1e-4
    assert found.bounded()["tokenizer_agreement"] == 1
    assert {f.part for f in found.figures if f.metric == "cosine_min"} == {
        None, "<=2 tokens", "<=16 tokens",
    }  # fmt: skip


def test_the_vectors_of_texts_are_those_of_a_network_that_takes_any(
    static_bert: Built, tiny_bert: Path, tmp_path: Path
) -> None:
    fields = {"format": "transformers", "task": "feature-extraction"}
    export.write_ir(entry(**fields, options={"max_length": 16}), tiny_bert, tmp_path / "any")

    of_two, of_any = (
        load(str(folder), execution="f32")(TEXTS)
        for folder in (static_bert.folder, tmp_path / "any")
    )

    np.testing.assert_allclose(np.stack(of_two), np.stack(of_any), atol=1e-5)


def test_what_is_benchmarked_has_the_static_sizes(
    static_bert: Built, tiny_bert: Path, tmp_path: Path
) -> None:
    model, made = static_bert.model, tmp_path / "made.npz"
    task = kinds.load("task", model.task)
    options, _ = task.resolve(model, tiny_bert)
    contender = OpenVINO(static_bert.folder, "CPU", "LATENCY")

    for batch, length in ((2, 16), (1, 16)):
        wanted = task.Sizes(batch=batch, length=length)
        samples.save([task.sized(tiny_bert, model, options, wanted)], made)
        if batch == 2:
            contender.feed(made, batch)
            assert contender.latency(0.01)["latencies_ms"]
    with pytest.raises(DataError, match=r"'input_ids' has the shape \[1, 16\]: .*\[2,16\]"):
        contender.feed(made, 1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shapes": [1, 600]}, "models.m.shapes: 600 tokens: the model has 512 positions"),
        (
            {"shapes": [1, 16], "options": {"max_length": 8}},
            "models.m.options.max_length: 8: shapes say 16 tokens",
        ),
    ],
)
def test_texts_are_given_no_shape_that_they_cannot_have(
    fields: dict[str, Any], said: str, tiny_bert: Path, tmp_path: Path
) -> None:
    bare = {"format": "transformers", "task": "feature-extraction"}

    with pytest.raises(ExportError, match=said):
        Built(entry(**bare, **fields), tiny_bert, tmp_path)


def test_a_batch_that_fits_is_fed_as_it_is(static_bert: Built) -> None:
    loaded = load(str(static_bert.folder))

    fed = loaded.tokens(TEXTS[:2])

    assert {array.shape for array in fed.values()} == {(2, 16)}
    assert loaded.infer(fed)["last_hidden_state"].shape == (2, 16, 32)
