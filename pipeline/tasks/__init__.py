"""What models are for: one file per task, named as in params.yaml with underscores for hyphens.

Each has
    FILES                               patterns of the source files it needs beside the weights
    TOOLCHAIN                           distributions whose versions decide its inputs
    RUNS_WITH                           those that decide `complete`
    JUDGED_WITH                         those that decide `run` and `judge`
    METRICS                             its figures by name, each a `figure.Metric`
    Options                             a Record: `options:` of a model's entry
    Resolved                            a Record: what holds when the repository was asked too; what
                                        of it changes outputs
    Sizes                               a Record of integers with defaults: what of an input a
                                        benchmark may vary; `batch` is items at once, and in
                                        batches the original is timed where there is one
    resolve(model, source)              Resolved, and notes: where entry and repository disagree
    items(path)                         a data set: inputs with labels, or without any
    invent(source, model, options, count, seed)
                                        as many items of no meaning, for a model without data
    encode(items, source, model, options)
                                        what a network is fed of each, in their order
    sized(source, model, options, sizes)
                                        what a network is fed in a benchmark: exactly of that size
    run(networks, inputs, options, follow=None)
                                        the outputs that are worth keeping; serves the original and
                                        an IR on a device. `follow` is what the original gave where
                                        an artifact is judged: what generates is fed the original's
                                        tokens then, and not its own (teacher forcing)
    judge(trial)                        a Figure of each of METRICS that can be measured

and may have
      EXPORTED_AS                       the task as which its models are exported, where optimum
                                        knows it by no such name
      TEXTS                             how many texts the tokenizer IR takes at once, if not one
      tokenized(source)                 whether a tokenizer IR belongs to a model; else it does if
                                        FILES has tokenizer.json
      SERVED_BY                         the pipeline of openvino.genai that runs what generates
                                        (`LLMPipeline`, `WhisperPipeline`); a benchmark measures it
      FED_TOKENS                        True if networks are fed of an item without a label what the
                                        tokenizer gives, and no more: a tokenizer IR serves then
      answer(outcome)                   what somebody is told who gave an item to an artifact that
                                        is served: JSON types, or arrays; without it, the outputs
      begin(networks, inputs, options)  of what generates, a `_generation.Step` and the tokens that
                                        it begins with: who serves it goes on from there
      finish(network, model, source)    the exported ov.Model with the outputs that it is for
      complete(network, model, source)  the original Network with the same

`source` is the model's repository, `folder` an artifact. Batch 1 but in benchmarks: one dict of
tensor name to array for each sample.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.networks.tensors import Tensors

INTERFACE = (
    "FILES",
    "TOOLCHAIN",
    "RUNS_WITH",
    "JUDGED_WITH",
    "METRICS",
    "Options",
    "Resolved",
    "Sizes",
    "resolve",
    "items",
    "invent",
    "encode",
    "sized",
    "run",
    "judge",
)


class Item(NamedTuple):
    """One entry of a data set; it knows no model.

    Args:
        input: a text, the Path of a file, a seed that noise is made of, or several of these; where
            an artifact is served, a picture of Pillow, or samples and their rate too.
        label: what is right of it; None where nobody said.
    """

    input: Any
    label: Any = None


class Trial(NamedTuple):
    """What a task judges: an artifact's outputs against the original's.

    Args:
        items: what was given.
        inputs: what networks were fed of it.
        expected: what the original made of each.
        measured: what the artifact made of each.
        folder: the artifact.
        options: the task's `Resolved`.
    """

    items: Sequence[Item]
    inputs: Sequence[Tensors]
    expected: Sequence[Tensors]
    measured: Sequence[Tensors]
    folder: Path
    options: Any


class Outcome(NamedTuple):
    """What an artifact that is served made of one item.

    Args:
        item: what was given.
        inputs: what the networks were fed of it, of shape (1, ...).
        outputs: what `run` gave, of shape (1, ...).
        options: the task's `Resolved`.
        read: the text of tokens, by the artifact's detokenizer.
    """

    item: Item
    inputs: Tensors
    outputs: Tensors
    options: Any
    read: Callable[[Sequence[int]], str]
