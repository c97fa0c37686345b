"""The modules of sentence-transformers that a repository lists, and how its texts are pooled.

`modules.json` lists what texts go through, in order, each with a folder of its own
(sentence-transformers 5, `SentenceTransformer.save`): Transformer and Pooling, then any of Dense,
LayerNorm, Normalize and Dropout.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pipeline.errors import ExportError
from pipeline.record import read_json

Pooling = Literal["mean", "cls", "last_token", "max", "mean_sqrt_len_tokens", "weightedmean"]

# What a pooling is called in `1_Pooling/config.json`: by flag before sentence-transformers 5.3, by
# the value of `pooling_mode` since. Several are concatenated, flags in this order.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "last_token",
}
_VALUES = {"lasttoken": "last_token"}
_BEHIND = ("Dense", "LayerNorm", "Normalize")
# What else sentence-transformers has, for whoever wonders why.
_OTHERS = {
    "Asym": "ways for queries and documents that differ",
    "BoW": "a bag of words",
    "CLIPModel": "images and texts",
    "CNN": "convolutions over token vectors",
    "LSTM": "a recurrent network over token vectors",
    "MLMTransformer": "a sparse encoder",
    "Router": "ways for queries and documents that differ",
    "SparseStaticEmbedding": "a sparse encoder",
    "SpladePooling": "a sparse encoder",
    "StaticEmbedding": "a table of word vectors, as model2vec's, and no network",
    "WeightedLayerPooling": "a weighted sum of all layers",
    "WordEmbeddings": "a table of word vectors and no network",
    "WordWeights": "a weight for each word",
}


class Module(NamedTuple):
    """What a vector goes through behind pooling.

    Args:
        folder: where its weights lie; Normalize has none.
        activation: what a Dense module ends with, as torch.nn calls it.
        residual: whether a Dense module adds its input to that.
    """

    folder: Path
    activation: str = "Identity"
    residual: bool = False
    kind: str = "Dense"


class Modules(NamedTuple):
    """What modules.json and the modules' own files say; None where they say nothing.

    Args:
        pooling: one mode, or several whose vectors are concatenated.
        behind: what lies between pooling and a last normalization.
        normalize: whether a normalization is the last module.
        include_prompt: whether the tokens of a prompt are pooled too.
    """

    pooling: Pooling | tuple[Pooling, ...] | None
    behind: tuple[Module, ...]
    normalize: bool | None
    include_prompt: bool


def read(source: Path) -> Modules:
    """What a repository says of the modules behind its network.

    Raises:
        ExportError: naming the module or pooling that is not supported.
    """
    listed = _listed(source)
    if not listed:
        return Modules(None, (), None, True)
    pooling, behind = listed[1][1], [_module(*each) for each in listed[2:]]
    normalize = False
    while behind and behind[-1].kind == "Normalize":  # once is as good as twice
        normalize = bool(behind.pop())
    config = _config(pooling)
    include_prompt = config.get("include_prompt", True) is not False
    return Modules(_pooling(pooling, config), tuple(behind), normalize, include_prompt)


def _listed(source: Path) -> list[tuple[str, Path]]:
    """Class and folder of every module, in order."""
    modules = []
    for entry in read_json(source / "modules.json", list, ExportError):
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ExportError(f"modules.json: {entry!r}: want a module with type and path")
        folder = source / str(entry.get("path", ""))
        if not folder.resolve().is_relative_to(source.resolve()):
            raise ExportError(f"modules.json: path {entry['path']!r} leads out of the repository")
        library, _, kind = entry["type"].rpartition(".")
        if not library.startswith("sentence_transformers"):
            raise ExportError(
                f"modules.json: {entry['type']!r}: not a module of sentence_transformers"
            )
        if kind in _OTHERS:
            raise ExportError(f"modules.json: {kind} ({_OTHERS[kind]}) is not supported")
        if kind != "Dropout":  # does nothing but in training
            modules.append((kind, folder))
    kinds = [kind for kind, _ in modules]
    if kinds and (kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {*_BEHIND}):
        raise ExportError(
            f"modules.json: {kinds}: want Transformer, Pooling, then any of {list(_BEHIND)}"
        )
    return modules


def _module(kind: str, folder: Path) -> Module:
    config = read_json(folder / "config.json", dict, ExportError)
    for key in ("module_input_name", "module_output_name"):
        if (name := config.get(key)) not in (None, "sentence_embedding"):
            raise ExportError(f"{folder.name}/config.json: {key}: {name!r}: want the pooled vector")
    if kind != "Dense":
        return Module(folder, kind=kind)
    dotted = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = dotted.rpartition(".")[2] if dotted.startswith("torch.") else dotted
    return Module(folder, activation, config.get("use_residual") is True)


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise ExportError(f"{folder.name}/config.json: not there: want how texts are pooled")
    config: dict[str, Any] = read_json(folder / "config.json", dict, ExportError)
    return config


def _pooling(folder: Path, config: dict[str, Any]) -> Any:
    """One mode, or a tuple of several."""
    stated = config.get("pooling_mode") or [n for flag, n in _FLAGS.items() if config.get(flag)]
    modes = [_VALUES.get(str(m), m) for m in (stated if isinstance(stated, list) else [stated])]
    have = get_args(Pooling)
    if set(map(str, modes)) - {*have}:
        raise ExportError(f"{folder.name}/config.json: pooling {modes}: want some of {list(have)}")
    return tuple(modes) if len(modes) > 1 else (modes or ["mean"])[0]
