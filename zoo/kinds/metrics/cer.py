"""cer: the share of characters that are read wrong, of lines of text (CTC; Graves et al. 2006).

The first output has a value for each character of the charset at each place of the line; the first
of all is the blank. An artifact has its charset in itself: as metadata of the ONNX file, which stay
in its .xml (`framework/character`), or in a file `*keys*.txt` beside it, one a line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import DataError
from pipeline.figure import Figure, Metric
from pipeline.networks import ir, metrics
from pipeline.networks.tensors import Tensors, Vector
from pipeline.tasks import Trial

TOOLCHAIN = ("jiwer", "numpy", "openvino", "scipy")
METRICS = {
    "cer": Metric("lower", labelled=True, drop_gate={32: 0.005, 16: 0.005, 8: 0.01, 4: 0.03}),
    "same_text": Metric("higher", gate={32: 0.97, 16: 0.97, 8: 0.9, 4: 0.8}),
}


def judge(trial: Trial) -> Iterator[Figure]:
    """Of lines with their text: what original and artifact read, and how often it is the same.

    Raises:
        DataError: no charset lies in the artifact.
    """
    charset = _charset(trial.folder)
    expected, measured = (_read(o, charset) for o in (trial.expected, trial.measured))
    same = np.mean([a == b for a, b in zip(expected, measured, strict=True)])
    yield Figure(metric="same_text", value=float(same), samples=len(expected))
    truth = [item.label for item in trial.items]
    if None not in truth:
        lengths = np.array([len(text) for text in truth], np.float64)
        wrong = (_errors(truth, read) for read in (expected, measured))
        yield metrics.scored("cer", _rate, *wrong, lengths, better="lower")


def _charset(folder: Path) -> list[str]:
    """The characters by their number: blank, those that are listed, and the space."""
    network = ir.read(folder)
    keys = sorted(folder.rglob("*keys*.txt"))
    if network.has_rt_info(["framework", "character"]):
        listed = network.get_rt_info(["framework", "character"]).astype(str)
    elif keys:
        listed = keys[0].read_text(encoding="utf-8").removesuffix("\n")
    else:
        raise DataError("cer: no charset in the artifact: want beside: ['*keys*.txt']")
    return ["", *listed.split("\n"), " "]


def _read(outputs: Sequence[Tensors], charset: Sequence[str]) -> list[str]:
    return [
        _collapsed(sample[min(sample)][0].argmax(axis=-1).tolist(), charset) for sample in outputs
    ]


def _collapsed(numbers: Sequence[int], charset: Sequence[str]) -> str:
    """A number again and again is one character; blanks are none."""
    before = [0, *numbers[:-1]]
    return "".join(charset[a] for a, b in zip(numbers, before, strict=True) if a != b).strip()


def _errors(truth: Sequence[str], read: Sequence[str]) -> Vector:
    """Of each line."""
    import jiwer

    found = (jiwer.process_characters(a, b) for a, b in zip(truth, read, strict=True))
    return np.array([o.substitutions + o.deletions + o.insertions for o in found], np.float64)


def _rate(errors: Vector, lengths: Vector) -> float:
    return float(errors.sum() / lengths.sum())
