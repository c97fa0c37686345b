"""What decides a text's vector beside the weights: an entry's options, else its repository.

The repository speaks in the files of sentence-transformers (_modules.py, _transformer.py) and in
`config_sentence_transformers.json`, which holds the prompts. An entry of params.yaml may say
otherwise; it is obeyed, and the contradiction is told.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from pydantic import Field

from pipeline.errors import ExportError
from pipeline.record import Record, read_json
from pipeline.spec import Model
from pipeline.tasks import _modules, _transformer
from pipeline.tasks._modules import Module as Module
from pipeline.tasks._modules import Pooling as Pooling


class Options(Record):
    """`options:` of a model; what is left out is what the repository says.

    Args:
        max_length: tokens after which a text is cut.
        pooling: how token vectors become one: `mean` over real tokens, the first (`cls`), the last
            real one (`last_token`), the largest of each element (`max`), their sum over the root
            of their number (`mean_sqrt_len_tokens`), or a mean in which the n-th token counts n
            times (`weightedmean`).
        normalize: whether the vector is brought to length 1.
        prompts: texts that go before the input, by purpose (`query`, `document`).
        default_prompt: the purpose whose prompt goes before every input that names none.
    """

    max_length: int | None = Field(default=None, ge=2, le=1_000_000)
    pooling: Pooling | None = None
    normalize: bool | None = None
    prompts: dict[str, str] | None = None
    default_prompt: str | None = None


class Resolved(Record):
    """What decides a text's vector beside the weights; `openvino_artifact.json` says it.

    Args:
        pooling: one way, or several whose vectors are concatenated.
        prompts: texts that go before the input, by purpose.
        default_prompt: the purpose whose prompt goes before every input that names none.
        padding_side: where a batch's shorter texts are filled up.
    """

    max_length: int
    pooling: Pooling | tuple[Pooling, ...]
    normalize: bool
    padding_side: Literal["left", "right"]
    prompts: dict[str, str]
    default_prompt: str | None

    @property
    def prefix(self) -> str:
        """What goes before an input that names no purpose."""
        return self.prompts[self.default_prompt] if self.default_prompt is not None else ""


class Repository(NamedTuple):
    """What the files say; None or empty where they say nothing.

    Args:
        dense: the modules between pooling and a last normalization.
        include_prompt: whether the tokens of a prompt are pooled too.
    """

    max_length: int | None
    pooling: Pooling | tuple[Pooling, ...] | None
    normalize: bool | None
    dense: tuple[Module, ...]
    prompts: dict[str, str] | None
    default_prompt: str | None
    include_prompt: bool


def resolve(model: Model, source: Path) -> tuple[Resolved, list[str]]:
    """What holds for a model: its entry's options, then its repository; and where they disagree.

    Raises:
        ExportError: the repository wants what is not supported, or the model is too short.
    """
    options, said = Options.from_dict(model.options), read(source)
    _transformer.check_case(source)
    length = _transformer.length(model, options.max_length, source)
    wanted = {name: value for name, value in options.to_dict().items() if value is not None}
    stated = {name: value for name in Options.model_fields if (value := getattr(said, name))}
    fallback = {
        "pooling": "mean",
        "normalize": False,
        "padding_side": _transformer.padding_side(source),
        "prompts": {},
        "default_prompt": None,
    }
    resolved = Resolved.from_dict(
        {**fallback, **stated, **wanted, "max_length": length},
        f"models.{model.name}: its repository",
        ExportError,
    )
    _check_prompt(model, resolved, said)
    return resolved, _notes(model, wanted, said)


def read(source: Path) -> Repository:
    """What a repository's files say.

    Raises:
        ExportError: naming the module or pooling that is not supported.
    """
    modules = _modules.read(source)
    config = read_json(source / "config_sentence_transformers.json", dict, ExportError)
    prompts = config.get("prompts")
    if isinstance(prompts, dict):
        prompts = {purpose: "" if text is None else text for purpose, text in prompts.items()}
    return Repository(
        max_length=_transformer.max_length(source),
        pooling=modules.pooling,
        normalize=modules.normalize,
        dense=modules.behind,
        prompts=cast(dict[str, str] | None, prompts),
        default_prompt=config.get("default_prompt_name"),
        include_prompt=modules.include_prompt,
    )


def _check_prompt(model: Model, resolved: Resolved, said: Repository) -> None:
    """The default prompt is there, and may be pooled."""
    name = resolved.default_prompt
    if name is not None and name not in resolved.prompts:
        raise ExportError(
            f"models.{model.name}: default_prompt {name!r}: have the prompts "
            f"{sorted(resolved.prompts)}"
        )
    if resolved.prefix and not said.include_prompt:
        raise ExportError(
            f"models.{model.name}: default_prompt {name!r}: its repository pools without the "
            "prompt's tokens (include_prompt: false), which is not supported: want an empty prompt"
        )


def _notes(model: Model, wanted: Mapping[str, Any], said: Repository) -> list[str]:
    """Where entry and repository disagree, and what was taken because neither says anything."""
    stated = said._asdict()
    notes = [
        f"models.{model.name}.options.{name}: {value!r}: its repository says {stated[name]!r}"
        for name, value in wanted.items()
        if stated[name] not in (None, value) and (name != "prompts" or any(stated[name].values()))
    ]
    if said.pooling is None and "pooling" not in wanted:
        notes += [
            f"models.{model.name}.options.pooling: its repository names none: taken as 'mean'"
        ]
    if not said.include_prompt:
        notes += [f"models.{model.name}: the tokens of a prompt are pooled, unlike the original's"]
    return notes
