"""Text generation: tokens in, logits of the next one out; the network keeps keys and values.

A data set is a table with the column text, or a file with a text a line. A text is its own label:
the perplexity is that of its tokens. The original then goes on with it, and the artifact is judged
on both.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.figure import Figure
from pipeline.networks import ir
from pipeline.networks.inputs import TOKENS
from pipeline.networks.tensors import Networks, Tensors
from pipeline.tasks import Item, Trial, _generation, _tables, _texts
from pipeline.tasks._generation import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._generation import METRICS as METRICS
from pipeline.tasks._generation import Resolved as Resolved
from pipeline.tasks._generation import Sizes as Sizes
from pipeline.tasks._generation import resolve as resolve
from pipeline.tasks._generation import sized as sized
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import TOOLCHAIN as TOOLCHAIN
from pipeline.tasks._texts import Options as Options
from pipeline.tasks._texts import encode as encode
from pipeline.tasks._texts import invent as invent
from pipeline.tasks._transformer import longest as longest

FED_TOKENS = True
RUNS_WITH = ()
SERVED_BY = "LLMPipeline"


def items(path: Path) -> list[Item]:
    """Texts, each its own label: the lines of a file, or the column `text` of a table."""
    if _tables.holds(path):
        texts = [row["text"] for row in _tables.rows(path, {"text": str})]
    else:
        texts = [item.input for item in _texts.read(path)]
    return [Item(text, text) for text in texts]


def begin(
    networks: Networks, inputs: Tensors, options: Resolved
) -> tuple[_generation.Step, _generation.Ids]:
    """The network that goes on, and the prompt."""
    return _generation.remembering(networks[ir.MODEL]), inputs[TOKENS].astype(np.int64)


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """What _generation.compared keeps; in a benchmark nothing, for that is not what is timed."""
    step, prompt = begin(networks, inputs, options)
    if _generation.MOST in inputs:
        return _generation.timed(step, prompt, inputs)
    choose = _generation.greedy(_generation.NEW_TOKENS, options.end_token_ids)
    return _generation.compared(step, prompt, choose, follow)


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of what is generated and of the tokenizer."""
    yield from _generation.judge(trial, "prompt_nll")
    yield from _texts.tokenizer_agreement(trial)
