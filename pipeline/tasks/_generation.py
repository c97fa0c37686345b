"""Generation: what tasks share that make a token after the other.

The original goes on greedily; an artifact is judged on the original's tokens (teacher forcing), so
that one other token does not make all that follow incomparable. Up to the first token that it would
have chosen otherwise, both are the same.

Of the probabilities of a place the original's `TOP` largest are kept, and an artifact's of the same
tokens; what is left is one outcome more. By the data processing inequality the divergence of these
is at most that of all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.errors import ExportError
from pipeline.figure import Figure, Metric
from pipeline.networks import metrics
from pipeline.networks.inputs import MOST as MOST
from pipeline.networks.tensors import Array, Network, Tensors, Vector
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Trial, _texts, _transformer

Ids = npt.NDArray[np.int64]
Logs = npt.NDArray[np.float32]
Step = Callable[[Ids], Array]  # tokens (batch, n) to logits (batch, n, vocabulary); it remembers
Choose = Callable[[Array, int], Ids | None]  # of logits (batch, vocabulary) the n-th token

JUDGED_WITH = ("numpy", "openvino", "scipy")
NEW_TOKENS = 32  # that an item is gone on with
DEFAULT_LENGTH = 512  # tokens of a text where the entry says nothing
TOP = 64
METRICS = {
    "token_agreement": Metric("higher", gate={32: 0.95, 16: 0.95, 8: 0.9, 4: 0.6}),
    "kl_mean": Metric("lower", unit="nats", gate={32: 0.005, 16: 0.005, 8: 0.03, 4: 0.35}),
    "common_prefix": Metric("higher", unit="tokens"),
    "max_abs_error": metrics.MAX_ABS_ERROR,
    "perplexity": Metric("lower", labelled=True),
    "nll": Metric(
        "lower", unit="nats", labelled=True, drop_gate={32: 0.01, 16: 0.01, 8: 0.03, 4: 0.3}
    ),
    "tokenizer_agreement": _texts.TOKENIZER_AGREEMENT,
}


class Sizes(Record):
    """What of an input a benchmark may vary.

    Args:
        batch: texts at once.
        prompt: tokens of each.
        new_tokens: that come after it; an end is gone over.
    """

    batch: int = Field(default=1, ge=1, le=10_000)
    prompt: int = Field(default=32, ge=1, le=1_000_000)
    new_tokens: int = Field(default=32, ge=1, le=100_000)


_LEAST = 1e-12  # of a probability whose logarithm is taken


def remembering(network: Network, **beside: Array) -> Step:
    """A network that is fed what is new, and beside it always the same.

    Args:
        network: which remembers; it forgets first.
        beside: what an encoder made.
    """
    network.reset()
    fed = 0

    def step(tokens: Ids) -> Array:
        nonlocal fed
        fed += tokens.shape[1]
        real = np.ones((len(tokens), fed), np.int64)
        return network({"input_ids": tokens, "attention_mask": real, **beside})["logits"]

    return step


def spoken(step: Step, prompt: Ids, choose: Choose) -> Iterator[Array]:
    """The logits of each call, of shape (batch, fed, vocabulary), until nothing is chosen."""
    fed, number = prompt, 0
    while True:
        logits = step(fed)
        yield logits
        chosen = choose(logits[:, -1], number)
        if chosen is None:
            return
        fed, number = chosen[:, None], number + 1


def greedy(
    most: int, ends: Sequence[int] = (), barred: Callable[[int], Sequence[int]] = lambda _: ()
) -> Choose:
    """The likeliest token, up to `most` of them or one of `ends`, which are the last.

    Args:
        most: tokens.
        ends: after which nothing comes; of a batch, the first row's.
        barred: the tokens that may not be the n-th.
    """

    def choose(logits: Array, number: int) -> Ids | None:
        chosen = best(logits, barred(number))
        is_last = number + 1 >= most or int(chosen[0]) in ends
        return None if is_last else chosen

    return choose


def following(tokens: Ids) -> Choose:
    """The tokens of shape (n,) that somebody else chose."""
    return lambda _, number: None if number + 1 >= len(tokens) else tokens[[number]]


def best(logits: Array, barred: Sequence[int] = ()) -> Ids:
    """The likeliest tokens, of shape (batch,), of logits of shape (batch, vocabulary)."""
    if len(barred):
        logits = logits.copy()
        logits[:, list(barred)] = -np.inf
    likeliest: Ids = logits.argmax(axis=-1).astype(np.int64)
    return likeliest


def compared(
    step: Step,
    prompt: Ids,
    choose: Choose,
    follow: Tensors | None,
    barred: Callable[[int], Sequence[int]] = lambda _: (),
) -> dict[str, Array]:
    """What is kept of one item.

    Returns:
        `tokens` (generated,), the likeliest at each place after the prompt; `best` (places,), the
        same of the prompt's places too; `top_ids`, `top_logprobs` (places, at most TOP), of the
        original's likeliest tokens; `prompt_nll` (prompt - 1,), nats of the prompt's own tokens.
    """
    places: list[Logs] = []
    tokens: list[int] = []
    if follow is not None:
        choose = following(follow["tokens"].astype(np.int64))
    for number, logits in enumerate(spoken(step, prompt, choose)):
        places.append(_log_softmax(logits[0]))
        tokens.append(int(best(logits[:, -1], barred(number))[0]))
    logprobs = np.concatenate(places)
    ids = _top(logprobs) if follow is None else follow["top_ids"].astype(np.int64)
    own = np.take_along_axis(logprobs[: prompt.shape[1] - 1], prompt[0, 1:, None], axis=1)
    return {
        "tokens": np.array(tokens, np.int64),
        "best": best(logprobs),
        "top_ids": ids,
        "top_logprobs": np.take_along_axis(logprobs, ids, axis=1),
        "prompt_nll": -own[:, 0],
    }


def sized(source: Path, model: Model, options: _texts.Cut, sizes: Sizes) -> Tensors:
    """A text of no meaning, of shape (batch, prompt), and how many tokens come after it."""
    texts = _texts.Sizes(batch=sizes.batch, length=sizes.prompt)
    prompt = _texts.sized(source, model, options, texts)
    return {**prompt, MOST: np.array([sizes.new_tokens])}


def timed(step: Step, prompt: Ids, inputs: Tensors) -> dict[str, Array]:
    """As many tokens as a benchmark asks for; nothing else is done that would be timed with it."""
    choose = greedy(int(inputs[MOST][0]))
    return {"calls": np.array([sum(1 for _ in spoken(step, prompt, choose))])}


def nll(step: Step, start: Ids, tokens: Ids) -> Logs:
    """Nats of each of the tokens (1, n) that come after a start (1, m)."""
    fed = np.concatenate([start, tokens[:, :-1]], axis=1)
    logprobs = _log_softmax(step(fed)[0])[start.shape[1] - 1 :]
    own: Logs = -np.take_along_axis(logprobs, tokens[0, :, None], axis=1)[:, 0]
    return own


def judge(trial: Trial, nats: str) -> Iterator[Figure]:
    """All figures of what was kept.

    Args:
        trial: what was measured.
        nats: under which name the negative log-likelihoods of labels are kept.
    """
    pairs = list(zip(trial.expected, trial.measured, strict=True))
    yield metrics.max_abs_error(*([{"log_probabilities": o["top_logprobs"]} for o in side]
                                  for side in (trial.expected, trial.measured)))  # fmt: skip
    apart = np.concatenate([_kl(e["top_logprobs"], m["top_logprobs"]) for e, m in pairs])
    yield Figure(metric="kl_mean", value=float(apart.mean()), samples=len(apart))
    same = np.concatenate([e["best"] == m["best"] for e, m in pairs])
    yield Figure(metric="token_agreement", value=float(same.mean()), samples=len(same))
    prefixes = [_prefix(e["tokens"], m["tokens"]) for e, m in pairs]
    yield Figure(metric="common_prefix", value=float(np.mean(prefixes)), samples=len(prefixes))
    labelled = [n for n, item in enumerate(trial.items) if item.label is not None]
    counts = np.array([len(trial.expected[n][nats]) for n in labelled], np.float64)
    if counts.sum():
        of = [
            np.array([side[n][nats].sum(dtype=np.float64) for n in labelled])
            for side in (trial.expected, trial.measured)
        ]
        yield metrics.scored("nll", _per_token, of[0], of[1], counts, better="lower")
        yield metrics.scored("perplexity", _perplexity, of[0], of[1], counts, better="lower")


class Resolved(_transformer.Resolved):
    """What decides what is generated beside the weights.

    A text is cut at `max_length` where the model is judged or calibrated on it.

    Args:
        end_token_ids: after which nothing comes.
    """

    end_token_ids: tuple[int, ...]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: it takes fewer tokens.
    """
    wanted = _texts.Options.from_dict(model.options).max_length
    resolved = {
        "max_length": length(model, wanted, source),
        "padding_side": _transformer.padding_side(source),
        "end_token_ids": ids(settings(source).get("eos_token_id")),
    }
    where = f"models.{model.name}: its repository"
    return Resolved.from_dict(resolved, where, ExportError), []


def start(model: Model, said: Mapping[str, Any]) -> tuple[int, ...]:
    """The token that a decoder begins with, of what a repository says of generation.

    Raises:
        ExportError: it says none.
    """
    if not (found := ids(said.get("decoder_start_token_id"))):
        raise ExportError(
            f"{model.source}: no decoder_start_token_id in generation_config.json or config.json: "
            "want the token that what is generated begins with"
        )
    return found


def length(model: Model, wanted: int | None, source: Path) -> int:
    """Tokens after which a text is cut, so that there are positions for what comes after it.

    Raises:
        ExportError: the model has fewer positions than are wanted.
    """
    cut = _transformer.length(model, wanted, source) if wanted else DEFAULT_LENGTH
    return max(2, min(cut, _transformer.length(model, None, source) - NEW_TOKENS))


def settings(source: Path) -> dict[str, Any]:
    """What a repository says of generation; of what both files say, generation_config.json."""
    both = ("config.json", "generation_config.json")
    read = [read_json(source / name, dict, ExportError) for name in both]
    return {**read[0], **{key: value for key, value in read[1].items() if value is not None}}


def ids(stated: Any) -> tuple[int, ...]:
    """Token ids that are stated as none, one or several."""
    listed = stated if isinstance(stated, list) else [stated]
    return tuple(number for number in listed if isinstance(number, int))


def _per_token(nats: Vector, counts: Vector) -> float:
    return float(nats.sum() / counts.sum()) if counts.sum() else np.nan


def _perplexity(nats: Vector, counts: Vector) -> float:
    return float(np.exp(_per_token(nats, counts)))


def _log_softmax(logits: Array) -> Logs:
    from scipy.special import log_softmax

    made: Logs = log_softmax(logits.astype(np.float32), axis=-1)
    return made


def _top(logprobs: Logs) -> Ids:
    """The likeliest tokens of each place, of shape (places, at most TOP)."""
    kept = min(TOP, logprobs.shape[1])
    return np.argpartition(logprobs, -kept, axis=1)[:, -kept:].astype(np.int64)


def _kl(expected: Array, measured: Array) -> Vector:
    """Kullback-Leibler divergence at each place, in nats, of the kept outcomes and of the rest."""
    wanted, found = (_with_rest(np.exp(side.astype(np.float64))) for side in (expected, measured))
    apart: Vector = np.sum(wanted * np.log(wanted / found), axis=1)
    positive: Vector = np.maximum(apart, 0)
    return positive


def _with_rest(kept: Vector) -> Vector:
    rest = 1 - kept.sum(axis=1, keepdims=True)
    all_of_it: Vector = np.maximum(np.concatenate([kept, rest], axis=1), _LEAST)
    return all_of_it


def _prefix(expected: Array, measured: Array) -> int:
    """How many tokens are the same before the first that is another."""
    other = np.flatnonzero(expected != measured)
    return int(other[0]) if len(other) else len(expected)
