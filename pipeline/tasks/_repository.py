"""What an embedding model's repository says of it, in the files of sentence-transformers.

`modules.json` lists the modules that texts go through, each with a folder of its own;
`sentence_bert_config.json` holds the longest input, `config_sentence_transformers.json` the prompts
(sentence-transformers 5, `SentenceTransformer.save`). An entry of params.yaml may say otherwise; it
is obeyed, and the contradiction is told.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from pydantic import Field

from pipeline.errors import ExportError
from pipeline.record import Record, read_json
from pipeline.spec import Model

Pooling = Literal["mean", "cls", "last_token", "max"]

# The longest input of a model whose repository names none.
DEFAULT_LENGTH = 512
# What a pooling is called in `1_Pooling/config.json`: by flag before sentence-transformers 5.3, by
# the value of `pooling_mode` since.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last_token",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
_VALUES = {"lasttoken": "last_token"}
_POOLINGS = ("cls", "last_token", "max", "mean")
# Position ids of these begin after the padding id, so the table is longer than any input.
_OFFSET_POSITIONS = ("camembert", "data2vec-text", "longformer", "mpnet", "roberta", "xlm-roberta")
# tokenizer_config.json writes a huge number where there is no limit.
_NO_LIMIT = 1_000_000


class Options(Record):
    """`options:` of a model; what is left out is what the repository says.

    Args:
        max_length: tokens after which a text is cut.
        pooling: how token vectors become one: `mean` over real tokens, the first (`cls`), the last
            real one (`last_token`), or the largest of each element (`max`).
        normalize: whether the vector is brought to length 1.
    """

    max_length: int | None = Field(default=None, ge=2, le=1_000_000)
    pooling: Pooling | None = None
    normalize: bool | None = None


class Resolved(Record):
    """What decides a text's vector beside the weights; `openvino_artifact.json` says it.

    Args:
        prompts: texts that go before the input, by purpose.
        default_prompt: the purpose whose prompt goes before every input that names none.
        padding_side: where a batch's shorter texts are filled up.
    """

    max_length: int
    pooling: Pooling
    normalize: bool
    padding_side: Literal["left", "right"]
    prompts: dict[str, str]
    default_prompt: str | None

    @property
    def prefix(self) -> str:
        """What goes before an input that names no purpose."""
        return self.prompts.get(self.default_prompt, "") if self.default_prompt else ""


class Dense(NamedTuple):
    """A module that multiplies and adds: `Dense` of sentence-transformers."""

    folder: Path
    activation: str


class Repository(NamedTuple):
    """What the files say; None or empty where they say nothing."""

    max_length: int | None
    pooling: Pooling | None
    normalize: bool | None
    dense: tuple[Dense, ...]


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository; and where they disagree.

    Raises:
        ExportError: the repository wants what is not supported, or the model is too short.
    """
    options, said = Options.from_dict(model.options), read(source)
    notes = [
        f"models.{model.name}.options.{name}: {wanted!r}: its repository says {stated!r}"
        for name in ("max_length", "pooling", "normalize")
        if (wanted := getattr(options, name)) is not None
        and (stated := getattr(said, name)) is not None
        and wanted != stated
    ]
    positions = longest(_read(source / "config.json"))
    if options.max_length and positions and options.max_length > positions:
        raise ExportError(
            f"models.{model.name}.options.max_length: {options.max_length}: "
            f"the model has {positions} positions"
        )
    prompts = _read(source / "config_sentence_transformers.json")
    normalize = said.normalize or False if options.normalize is None else options.normalize
    resolved = {
        "max_length": options.max_length or said.max_length or positions or DEFAULT_LENGTH,
        "pooling": options.pooling or said.pooling or "mean",
        "normalize": normalize,
        "padding_side": _read(source / "tokenizer_config.json").get("padding_side", "right"),
        "prompts": prompts.get("prompts") or {},
        "default_prompt": prompts.get("default_prompt_name"),
    }
    return Resolved.from_dict(resolved, f"models.{model.name}: its repository", ExportError), notes


def read(source: Path) -> Repository:
    """What a repository's files say.

    Raises:
        ExportError: naming the module or pooling that is not supported.
    """
    modules = _modules(source)
    pooling = next((folder for kind, folder in modules if kind == "Pooling"), None)
    dense = [_dense(folder) for kind, folder in modules if kind == "Dense"]
    return Repository(
        max_length=_max_length(source),
        pooling=_pooling(pooling) if pooling else None,
        normalize=any(kind == "Normalize" for kind, _ in modules) if modules else None,
        dense=tuple(dense),
    )


def _modules(source: Path) -> list[tuple[str, Path]]:
    """Class and folder of every module, in order: Transformer, Pooling, Dense ..., Normalize."""
    listed = _read(source / "modules.json", kind=list)
    modules = []
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ExportError(f"modules.json: {entry!r}: want a module with type and path")
        folder = source / str(entry.get("path", ""))
        if not folder.resolve().is_relative_to(source.resolve()):
            raise ExportError(f"modules.json: path {entry['path']!r} leads out of the repository")
        modules.append((entry["type"].rpartition(".")[2], folder))
    order = "".join({"Transformer": "T", "Pooling": "P", "Dense": "D", "Normalize": "N"}.get(k, "?")
                    for k, _ in modules)  # fmt: skip
    dense = order.count("D")
    if modules and order not in (f"TP{'D' * dense}", f"TP{'D' * dense}N"):
        raise ExportError(
            f"modules.json: {[kind for kind, _ in modules]}: "
            "want Transformer, Pooling, any Dense, and Normalize or not"
        )
    return modules


def _pooling(folder: Path) -> Pooling:
    config = _read(folder / "config.json")
    if "pooling_mode" in config:
        mode = config["pooling_mode"]
        modes = [_VALUES.get(m, m) for m in (mode if isinstance(mode, list) else [mode])]
    else:
        modes = [name for flag, name in _FLAGS.items() if config.get(flag)]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ExportError(
            f"{folder.name}/config.json: pooling {modes}: want one of {list(_POOLINGS)}"
        )
    return cast(Pooling, modes[0])


def _dense(folder: Path) -> Dense:
    dotted = str(_read(folder / "config.json").get("activation_function", "Tanh"))
    return Dense(folder, dotted.rpartition(".")[2])


def _max_length(source: Path) -> int | None:
    """The longest input that is named, in tokens, and that the model has positions for."""
    named = [
        _read(source / "sentence_bert_config.json").get("max_seq_length"),
        _read(source / "tokenizer_config.json").get("model_max_length"),
    ]
    lengths = [int(n) for n in named if isinstance(n, int | float) and 2 <= n < _NO_LIMIT]
    positions = longest(_read(source / "config.json"))
    return min([lengths[0], *filter(None, [positions])]) if lengths else None


def longest(config: Mapping[str, Any]) -> int | None:
    """How many tokens an input may have, by the positions that config.json states."""
    positions, padding = config.get("max_position_embeddings"), config.get("pad_token_id")
    if not isinstance(positions, int):
        return None
    if config.get("model_type") in _OFFSET_POSITIONS:
        return positions - (padding if isinstance(padding, int) else 0) - 1
    return positions


def _read(path: Path, *, kind: type[Any] = dict) -> Any:
    """The JSON of a file of the repository; empty where it is not there."""
    return read_json(path, kind, ExportError)
