"""What a repository says of the first module, the network: how long its texts are, and their case.

Each is said in more than one file, by sentence-transformers and by transformers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pipeline import shaping
from pipeline.errors import ExportError
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks._texts import Options

# Position ids of these begin after the padding id, so the table is longer than any input
# (transformers 5, `create_position_ids_from_input_ids` in models/*/modeling_*.py).
_OFFSET_POSITIONS = (
    "altclip", "camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer",
    "luke", "markuplm", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
)  # fmt: skip
# Their distances between tokens have no end, although T5's config.json has n_positions.
_RELATIVE_POSITIONS = ("longt5", "mt5", "switch_transformers", "t5", "t5gemma", "umt5", "xlnet")
# tokenizer_config.json writes a huge number where there is no limit.
_NO_LIMIT = 1_000_000
DEFAULT_LENGTH = 512  # of a model whose repository names none


class Resolved(Record):
    """What decides the outputs of a task's texts beside the weights.

    Args:
        max_length: tokens after which a text is cut, or two that go in at once.
        padding_side: where a batch's shorter texts are filled up.
    """

    max_length: int
    padding_side: Literal["left", "right"]

    @property
    def prefix(self) -> str:
        """Nothing goes before a text."""
        return ""


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository.

    Raises:
        ExportError: the model takes fewer tokens than its entry says.
    """
    options = Options.from_dict(model.options)
    resolved = {
        "max_length": length(model, options.max_length, source),
        "padding_side": padding_side(source),
    }
    where = f"models.{model.name}: its repository"
    return Resolved.from_dict(resolved, where, ExportError), []


def max_length(source: Path) -> int | None:
    """The longest input that is named, in tokens, and that the model has positions for."""
    named = [
        _sentence_bert(source).get("max_seq_length"),
        read_json(source / "tokenizer_config.json", dict, ExportError).get("model_max_length"),
    ]
    lengths = [int(n) for n in named if isinstance(n, int | float) and 2 <= n < _NO_LIMIT]
    positions = longest(read_json(source / "config.json", dict, ExportError))
    return min([lengths[0], *filter(None, [positions])]) if lengths else None


def length(model: Model, wanted: int | None, source: Path) -> int:
    """Tokens after which a text is cut: what an entry wants, else what the repository says.

    Where `shapes:` says how many tokens a network takes, it is no more than that.

    Raises:
        ExportError: the model has fewer positions, or that is another number.
    """
    positions = longest(read_json(source / "config.json", dict, ExportError))
    if wanted and positions and wanted > positions:
        raise ExportError(
            f"models.{model.name}.options.max_length: {wanted}: the model has {positions} positions"
        )
    taken = shaping.length(model.shapes)
    if taken and wanted not in (None, taken):
        raise ExportError(
            f"models.{model.name}.options.max_length: {wanted}: shapes say {taken} tokens"
        )
    if taken and positions and taken > positions:
        raise ExportError(
            f"models.{model.name}.shapes: {taken} tokens: the model has {positions} positions"
        )
    return taken or wanted or max_length(source) or positions or DEFAULT_LENGTH


def padding_side(source: Path) -> str:
    """Where a batch's shorter texts are filled up."""
    config = read_json(source / "tokenizer_config.json", dict, ExportError)
    return str(config.get("padding_side", "right"))


def longest(config: dict[str, Any]) -> int | None:
    """How many tokens the network of a config.json has positions for, if that says."""
    if not isinstance(config.get("max_position_embeddings"), int):
        config = {**config, **_dict(config.get("text_config"))}
    stated = config.get("max_position_embeddings", config.get("n_positions"))
    kind = config.get("model_type")
    if not isinstance(stated, int) or stated < 2 or kind in _RELATIVE_POSITIONS:
        return None
    if kind in _OFFSET_POSITIONS:
        return stated - int(config.get("pad_token_id", 1) or 0) - 1
    return stated


def check_case(source: Path) -> None:
    """Texts reach the tokenizer as they are, or it lowers their case itself.

    Raises:
        ExportError: sentence-transformers would lower it before, which no tokenizer IR does.
    """
    if _sentence_bert(source).get("do_lower_case") is not True:
        return
    tokenizer = read_json(source / "tokenizer.json", dict, ExportError)
    config = read_json(source / "tokenizer_config.json", dict, ExportError)
    lowers = any(
        step.get("type") == "Lowercase" or step.get("lowercase") is True
        for step in _steps(tokenizer.get("normalizer"))
    )
    if not (lowers if tokenizer else config.get("do_lower_case") is True):
        raise ExportError(
            "sentence_bert_config.json: do_lower_case: true: its tokenizer does not lower case, "
            "nor would the IR: want a Lowercase normalizer in tokenizer.json"
        )


def _sentence_bert(source: Path) -> dict[str, Any]:
    config: dict[str, Any] = read_json(source / "sentence_bert_config.json", dict, ExportError)
    return config


def _steps(normalizer: Any) -> Iterator[dict[str, Any]]:
    """A normalizer of tokenizers, or those that it is a sequence of."""
    step = _dict(normalizer)
    yield step
    for inner in step.get("normalizers") or ():
        yield from _steps(inner)


def _dict(thing: Any) -> dict[str, Any]:
    return thing if isinstance(thing, dict) else {}
