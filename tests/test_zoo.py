"""The zoo: its params are good, its kinds measure what they say, its data is what it was."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from pipeline.figure import Figure
from pipeline.networks import ir
from pipeline.networks.tensors import Tensors
from pipeline.tasks import Item, Trial
from zoo import build, same
from zoo.kinds.metrics import cer, face, found_lines, keys, tags
from zoo.kinds.tasks import romanization, voice_activity
from zoo.makers import lines

PARAMS = build.params()


# rows


def test_its_params_are_good_and_its_kinds_are_whole(tmp_path: Path) -> None:
    for name in ("params.yaml", "factories.py"):
        shutil.copyfile(build.HERE / name, tmp_path / name)
    shutil.copytree(build.HERE / "kinds", tmp_path / "kinds")
    told = re.sub(
        r"allow: \[pickle\]  #.*",
        rf"\g<0>\n    sha256: {'a' * 64}",
        (tmp_path / "params.yaml").read_text(),
    )
    (tmp_path / "params.yaml").write_text(told)
    program = "import pathlib; from pipeline import check; check.load(pathlib.Path('params.yaml'))"

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stderr == ""


@pytest.mark.parametrize("row", PARAMS["models"])
def test_a_row_is_at_every_precision_or_is_refused(row: str) -> None:
    found = build.variants(row)

    whole = [f"{row}-{precision}" for precision in PARAMS["precisions"]]
    (first, *others) = found
    assert found == whole or (not others and first in {*build.REFUSED, *build.LOSES})


@pytest.mark.parametrize("row", PARAMS["models"])
def test_what_a_row_is_judged_by_has_a_maker(row: str) -> None:
    makers = build._makers(PARAMS["models"][row])

    assert all((build.HERE / "makers" / f"{name}.py").is_file() for name in makers)
    assert makers or "validation" not in PARAMS["models"][row]


def test_what_is_refused_and_what_loses_are_variants() -> None:
    assert {*build.REFUSED, *build.LOSES} <= PARAMS["variants"].keys()
    assert {row for group in same.GROUPS for row in group} <= PARAMS["models"].keys()


def test_what_is_fetched_is_pinned_by_its_hash() -> None:
    lock = (build.HERE / "requirements.lock").read_text()

    lines = [line for line in lock.splitlines() if not line.startswith("#")]

    assert all(re.fullmatch(r"[\w-]+==[\d.]+ \\", line) for line in lines[::2])
    assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}", line) for line in lines[1::2])


def test_a_row_whose_data_is_not_here_is_left_out_with_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.makers import clothes

    monkeypatch.setattr(clothes, "FOLDER", tmp_path)

    assert clothes.APT in build._lacking(PARAMS["models"]["clothes"])


# data


def test_lines_are_the_same_wherever_they_are_drawn_and_none_is_in_both_sets(
    tmp_path: Path,
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        lines.make(tmp_path / name)

    one, other = (
        {p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "other")
    )

    assert one == other
    judged, seen = (
        np.load(tmp_path / "one" / f"rec-{part}.npz")["labels"]
        for part in ("validation", "calibration")
    )
    assert not {*judged} & {*seen}


# metrics


def trial(
    expected: list[Tensors], measured: list[Tensors], labels: list[Any], **other: Any
) -> Trial:
    items = [Item(place, label) for place, label in enumerate(labels)]
    return Trial(
        items, other.get("inputs", ()), expected, measured, other.get("folder", Path()), None
    )


def by_name(figures: Any) -> Mapping[str, Figure]:
    return {figure.metric: figure for figure in figures}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact that has its characters, a and b, in itself."""
    import openvino as ov
    from openvino import opset15 as ops

    given = ops.parameter([1, 4], name="x")
    network = ov.Model([ops.relu(given)], [given], "reader")
    network.set_rt_info("a\nb", ["framework", "character"])
    folder = tmp_path_factory.mktemp("reader")
    ov.save_model(network, folder / f"{ir.MODEL}.xml")
    return folder


def line(*numbers: int) -> Tensors:
    """What a reader gives that is sure of the characters of these numbers."""
    return {"y": np.eye(4, dtype=np.float32)[None, [*numbers]]}


def test_a_character_again_is_one_unless_a_blank_is_between(reader: Path) -> None:
    given = [line(1, 1, 0, 1, 2), line(3, 1, 3, 2)]

    found = by_name(cer.judge(trial(given, given, ["aab", "a b"], folder=reader)))

    assert found["cer"].value == 0
    assert found["same_text"].value == 1


def test_characters_that_are_read_wrong_are_counted_against_all(reader: Path) -> None:
    right, wrong = [line(1, 2), line(1, 0, 1)], [line(1, 1), line(1, 0, 1)]

    found = by_name(cer.judge(trial(right, wrong, ["ab", "aa"], folder=reader)))

    assert found["cer"].value == 1 / 4  # of four, b is missing
    assert found["cer"].drop is not None
    assert found["cer"].drop.value == 1 / 4
    assert found["same_text"].value == 1 / 2


def test_a_map_that_covers_the_lines_is_right_and_one_that_covers_all_is_not() -> None:
    boxes = [[2, 2, 18, 6], [2, 12, 18, 16]]
    exact = np.zeros((1, 1, 20, 20), np.float32)
    for left, top, right, bottom in boxes:
        exact[0, 0, top:bottom, left:right] = 1
    pages, all_of_it = [{"map": exact}] * 2, [{"map": np.ones_like(exact)}] * 2

    found = by_name(found_lines.judge(trial(pages, all_of_it, [boxes, boxes])))

    assert found["found_lines"].reference == 1
    assert found["found_lines"].value == pytest.approx(2 * 0.32 / 1.32)
    assert found["same_pixels"].value == pytest.approx(0.32)


def test_a_key_sounds_that_begins_and_lasts() -> None:
    begins, lasts = np.zeros((1, 3, 88)), np.zeros((1, 3, 88))
    begins[0, 0, [10, 20]], lasts[0, 1:, [10, 30]] = 0.9, 0.9
    given = [{"onset": begins, "note": lasts, "contour": np.ones((1, 3, 264))}] * 2
    struck = [int(key == 10) for key in range(88)]

    found = by_name(keys.judge(trial(given, given, [struck, struck])))

    assert found["key_f1"].value == 1


def test_tokens_that_are_no_text_or_have_no_tag_do_not_count() -> None:
    given = [{"logits": np.eye(3)[None, [0, 1, 2, 2]]}] * 2
    other = [{"logits": np.eye(3)[None, [0, 1, 1, 0]]}] * 2
    inputs = [{"attention_mask": np.array([[1, 1, 1, 0]])}] * 2

    found = by_name(tags.judge(trial(given, other, [[-1, 1, 2, -1]] * 2, inputs=inputs)))

    assert found["tag_agreement"].value == pytest.approx(2 / 3)
    assert (found["tag_accuracy"].reference, found["tag_accuracy"].value) == (1, 0.5)


def test_a_face_is_seen_where_any_score_is_above_one_half() -> None:
    seen, none = np.full((1, 4, 1), -1.0), np.full((1, 4, 1), -1.0)
    seen[0, 2] = 0.1
    outputs = [{"scores": seen, "boxes": np.ones((1, 4, 16))}, {"scores": none}]

    found = by_name(face.judge(trial(outputs, outputs, [1, 0])))

    assert found["face_accuracy"].value == 1


# tasks


class Told:
    """A network that answers as a function does, and remembers what it was fed."""

    def __init__(self, answer: Any) -> None:
        self.fed: list[Tensors] = []
        self._answer = answer

    def __call__(self, inputs: Tensors) -> Tensors:
        self.fed.append(inputs)
        answered: Tensors = self._answer(inputs)
        return answered

    def reset(self) -> None:
        pass


def test_each_window_is_heard_with_the_end_of_the_one_before_and_what_was_remembered() -> None:
    network = Told(lambda fed: {"output": fed["state"][:1, :, 0], "stateN": fed["state"] + 1})
    sound = np.arange(64 + 3 * 512, dtype=np.float32)[None]
    inputs = {"input": sound, "state": np.zeros(voice_activity.STATE, np.float32)}

    found = voice_activity.run({ir.MODEL: network}, inputs, voice_activity.Resolved())

    assert found["spoken"].tolist() == [[0, 1, 2]]
    assert [fed["input"][0, 0] for fed in network.fed] == [0, 512, 1024]
    assert {fed["input"].shape for fed in network.fed} == {(1, 576)}


def spelling(*letters: int) -> Mapping[str, Told]:
    """Networks that spell so, whatever they read."""
    told = np.eye(8, dtype=np.float32)

    def next_letter(fed: Tensors) -> Tensors:
        place = fed["prefix"].shape[1] - 1
        return {"logprobs": told[None, letters[place]], "hidden_out": fed["hidden"]}

    made = {"memory_out": np.zeros((1, 1, 4)), "hidden_out": np.zeros((1, 2, 4))}
    return {ir.ENCODER: Told(lambda _: made), ir.DECODER: Told(next_letter)}


def test_a_name_ends_where_the_decoder_says_and_is_compared_along_the_originals_letters() -> None:
    options = romanization.Resolved(letters=("", "", "", "?", "a", "b", "c", "d"))
    name = {"src": np.array([[4, 5]])}

    original = romanization.run(spelling(4, 5, 2), name, options)
    measured = romanization.run(spelling(4, 6, 6, 2), name, options, original)

    assert original["letters"][0, :4].tolist() == [4, 5, 2, 0]
    assert measured["letters"][0, :5].tolist() == [4, 6, 6, 2, 0]
    assert measured["logprobs"].shape == original["logprobs"].shape
    found = by_name(
        romanization.judge(
            Trial([Item("x", "ab")] * 2, (), [original] * 2, [measured] * 2, Path(), options)
        )
    )
    assert found["same_names"].value == 0
    assert (found["right_names"].reference, found["right_names"].value) == (1, 0)


# document


def test_the_document_has_every_row_at_every_precision() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    section = text.partition("\n## Zoo\n")[2].partition("\n## ")[0]
    parts = dict(part.split("\n", 1) for part in section.split("\n### ")[1:])

    for row in PARAMS["models"]:
        told = re.findall(r"^\| ([a-z0-9, ]+) \| .", parts.get(f"`{row}`", ""), re.MULTILINE)
        have = {name for names in told for name in names.split(", ")}
        assert {variant.rpartition("-")[2] for variant in build.variants(row)} <= have, row
