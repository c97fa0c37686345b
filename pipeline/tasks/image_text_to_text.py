"""Image and text to text (LLaVA): a decoder goes on with a text in which a picture stands.

Three networks: the embeddings of a picture, those of tokens, and the decoder that is fed both, the
picture's in the place of its token.

A data set is a folder of pictures and `prompts.tsv`, a table with the columns file, text and, where
somebody said what is right, target: the perplexity is that of the targets' tokens. Without that
table each picture is to be described.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError, ExportError
from pipeline.figure import Figure
from pipeline.host.reasons import over
from pipeline.networks import ir
from pipeline.networks.inputs import MOST, TOKENS
from pipeline.networks.tensors import Array, Networks, Tensors
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import Item, Trial, _folders, _generation, _images, _tables, _texts
from pipeline.tasks._generation import JUDGED_WITH as JUDGED_WITH
from pipeline.tasks._generation import METRICS as METRICS
from pipeline.tasks._generation import Sizes as Sizes
from pipeline.tasks._texts import FILES as FILES
from pipeline.tasks._texts import Options as Options

TOOLCHAIN = tuple(sorted({*_texts.TOOLCHAIN, *_images.TOOLCHAIN}))
RUNS_WITH = ()
_KIND, _TOWERS = "llava", ("clip_vision_model", "siglip_vision_model")
_PROMPTS = "prompts.tsv"
_PROMPT = "Describe the picture."
_TARGET = "target_ids"


class Resolved(Record):
    """What decides what is generated beside the weights.

    Args:
        max_length: tokens after which a text that it is judged or calibrated on is cut; those of
            the picture come on top.
        image_token: what stands for the picture in a text.
        image_token_id: the same as a token.
        end_token_ids: after which nothing comes.
    """

    max_length: int
    image_token: str
    image_token_id: int
    end_token_ids: tuple[int, ...]

    @property
    def prefix(self) -> str:
        """Nothing goes before a text."""
        return ""

    def prompt(self, text: str) -> str:
        """A text with the picture in it: at its beginning, where nothing else is said."""
        return text if self.image_token in text else f"{self.image_token}\n{text}"


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: it is of another kind, takes fewer tokens, or has none for a picture.
    """
    config = _config(model, source)
    tokenizer = _texts.tokenizer_of(source, model)
    image_token = tokenizer.convert_ids_to_tokens(config.image_token_id)
    if image_token is None:
        raise ExportError(
            f"{model.source}: config.json: image_token_index {config.image_token_id}: its "
            "tokenizer has no such token"
        )
    return Resolved(
        max_length=_length(model, config),
        image_token=image_token,
        image_token_id=config.image_token_id,
        end_token_ids=_generation.ids(_generation.settings(source).get("eos_token_id")),
    ), []


def _config(model: Model, source: Path) -> Any:
    from transformers import LlavaConfig

    kind = read_json(source / "config.json", dict, ExportError).get("model_type")
    if kind != _KIND:
        raise ExportError(
            f"{model.source}: config.json: model_type {kind!r}: image-text-to-text wants {_KIND!r}"
        )
    with over("config.json"):
        config: Any = LlavaConfig.from_pretrained(source, local_files_only=True)
    if (tower := config.vision_config.model_type) not in _TOWERS:
        raise ExportError(
            f"{model.source}: config.json: vision_config.model_type {tower!r}: want one of "
            f"{list(_TOWERS)}"
        )
    return config


def _length(model: Model, config: Any) -> int:
    """Tokens of a text, so that there are positions for the picture's and for what comes after."""
    wanted = Options.from_dict(model.options).max_length
    positions, picture = config.text_config.max_position_embeddings, config.image_seq_length
    most = positions - picture - _generation.NEW_TOKENS
    if most < (least := wanted or 2):
        raise ExportError(
            f"models.{model.name}.options.max_length: {least}: of the model's {positions} "
            f"positions {picture} are the picture's, {_generation.NEW_TOKENS} of what is generated"
        )
    return wanted or min(_generation.DEFAULT_LENGTH, most)


def items(path: Path) -> list[Item]:
    """Pictures with texts, and what is to be made of both where that is said.

    Raises:
        DataError: there are no pictures, or naming the first row that is none.
    """
    table = path / _PROMPTS
    if not table.is_file():
        return [Item((item.input, _PROMPT)) for item in _images.items(path)]
    rows = _tables.rows(table, {"file": str, "text": str}, {"target": str})
    return [Item((_file(path, row), row["text"]), row.get("target")) for row in rows]


def _file(folder: Path, row: dict[str, Any]) -> Path:
    where = f"{folder / _PROMPTS}:{row[_tables.LINE]}"
    return _folders.inside(folder, row["file"], "a picture", where)


def invent(source: Path, model: Model, options: Resolved, count: int, seed: int) -> list[Item]:
    """Seeds of pictures, and texts, without meaning."""
    pictures = _images.invent(source, model, options, count, seed)
    texts = _texts.invent(source, model, options, count, seed)
    return [Item((p.input, t.input)) for p, t in zip(pictures, texts, strict=True)]


def encode(items: Sequence[Item], source: Path, model: Model, options: Resolved) -> list[Tensors]:
    """The picture of each item, and the tokens of its text and target, of shape (1, tokens).

    Raises:
        DataError: a file is no picture, or a text has a place for none or for several.
    """
    tokenizer = _texts.tokenizer_of(source, model)
    pictures = [Item(item.input[0]) for item in items]
    texts = [Item(options.prompt(item.input[1])) for item in items]
    encoded: list[Tensors] = []
    for item, seen, tokens in zip(
        items,
        _images.encode(pictures, source, model, options),
        _texts.encode(texts, source, model, options),
        strict=True,
    ):
        if (count := int((tokens[TOKENS] == options.image_token_id).sum())) != 1:
            raise DataError(
                f"{item.input[1]!r}: {count} of {options.image_token!r} in its first "
                f"{options.max_length} tokens: want 1"
            )
        target = {}
        if item.label is not None:
            target[_TARGET] = _target(tokenizer, item.label, options)
        encoded.append({**seen, **tokens, **target})
    return encoded


def _target(tokenizer: Any, text: str, options: Resolved) -> Array:
    """The tokens of what comes after a text: without those that a text begins with."""
    cut = {"truncation": True, "max_length": _generation.NEW_TOKENS, "return_tensors": "np"}
    tokens: Array = tokenizer(text, add_special_tokens=False, **cut)[TOKENS]
    return tokens


def sized(source: Path, model: Model, options: Resolved, sizes: Sizes) -> Tensors:
    """Noise, a text of no meaning of shape (batch, prompt), and how many tokens come after it."""
    text = _generation.sized(source, model, options, sizes)
    picture = _images.sized(source, model, options, _images.Sizes(batch=sizes.batch))
    tokens = np.insert(text[TOKENS], 0, options.image_token_id, axis=1)
    return {_images.PIXELS: picture[_images.PIXELS], TOKENS: tokens, MOST: text[MOST]}


class _Seeing:
    """A network that is fed tokens: the language model, behind the embeddings.

    Args:
        networks: of the model.
        inputs: a picture, and tokens of shape (batch, n), in all rows the picture's at one place.
        image_token_id: the picture's.

    Attributes:
        prompt: the tokens, that of the picture as often as it has embeddings.
    """

    def __init__(self, networks: Networks, inputs: Tensors, image_token_id: int) -> None:
        self._networks = networks
        self._picture = networks[ir.VISION_EMBEDDINGS](inputs)["last_hidden_state"]
        tokens = inputs[TOKENS].astype(np.int64)
        count = self._picture.shape[1]
        first = int((tokens[0] == image_token_id).argmax())
        self._place = slice(first, first + count)
        self.prompt = np.insert(tokens, [first] * (count - 1), image_token_id, axis=1)

    def __call__(self, inputs: Tensors) -> Tensors:
        """The logits of tokens; those that come first begin with the prompt."""
        tokens = inputs[TOKENS]
        embedded = self._networks[ir.TEXT_EMBEDDINGS]({"input": tokens})["inputs_embeds"].copy()
        if tokens.shape == inputs["attention_mask"].shape:
            embedded[:, self._place] = self._picture
        return self._networks[ir.LANGUAGE]({**inputs, "inputs_embeds": embedded})

    def reset(self) -> None:
        """Forget what was fed."""
        self._networks[ir.LANGUAGE].reset()


def begin(
    networks: Networks, inputs: Tensors, options: Resolved
) -> tuple[_generation.Step, _generation.Ids]:
    """The language model behind the embeddings, and the prompt with the picture in it."""
    seeing = _Seeing(networks, inputs, options.image_token_id)
    return _generation.remembering(seeing), seeing.prompt


def run(
    networks: Networks, inputs: Tensors, options: Resolved, follow: Tensors | None = None
) -> Tensors:
    """What _generation.compared keeps, and `target_nll`; in a benchmark nothing of it."""
    seeing = _Seeing(networks, inputs, options.image_token_id)
    step = _generation.remembering(seeing)
    if MOST in inputs:
        return _generation.timed(step, seeing.prompt, inputs)
    choose = _generation.greedy(_generation.NEW_TOKENS, options.end_token_ids)
    kept = _generation.compared(step, seeing.prompt, choose, follow)
    if _TARGET in inputs:
        target = inputs[_TARGET].astype(np.int64)
        step = _generation.remembering(seeing)
        kept["target_nll"] = _generation.nll(step, seeing.prompt, target)
    return kept


def judge(trial: Trial) -> Iterator[Figure]:
    """All figures, of what is generated and of the tokenizer."""
    yield from _generation.judge(trial, "target_nll")
    texts = [(trial.options.prompt(item.input[1]),) for item in trial.items]
    yield _texts.cut_alike(trial, texts, [sample[TOKENS][0] for sample in trial.inputs])
