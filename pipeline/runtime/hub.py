"""A model of a Hugging Face hub as an artifact of the store: fetched, exported, quantized, once.

    build("OWNER/NAME", wanted, store)     later ones find it, without a network too

The pipeline's own steps do it, in their child processes, in a project of its own under the store
(`build/`). A branch or tag is asked for once; from then on it stands for the commit that it was at.
"""

import hashlib
import importlib.util
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import JsonValue

from pipeline import kinds
from pipeline.errors import DataError, SpecError, ToolError, UnfitError
from pipeline.host import atomic, sandbox
from pipeline.ipfs.cid import Cid
from pipeline.ipfs.unixfs import folder_cid
from pipeline.layout import Layout
from pipeline.networks import samples
from pipeline.networks.tensors import Tensors
from pipeline.record import Record, read_json
from pipeline.runtime import configured
from pipeline.runtime.configured import ModelType
from pipeline.runtime.store import Store, file_name
from pipeline.spec import Data, Limits, Model, Params, Variant
from pipeline.steps import calibration, export, fetch, quantize

if TYPE_CHECKING:
    from pipeline.runtime.names import Wanted

T = TypeVar("T")
Given = Sequence[Mapping[str, Any]] | Sequence[str] | Path | None

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BRANCH = "main"  # what every model repository of a hub has
_DEFAULT = "fp16"
_CONFIGURATIONS = ("config.json", "modules.json")
_LIBRARIES = ("huggingface_hub", "torch", "optimum", "nncf")
_PATIENCE_S = 600.0  # for what the hub says of a model
_WAIT_S = 3600.0  # for another process that builds


class Meant(Record):
    """The commit that a branch was at."""

    commit: str


class Built(Record):
    """The artifact that a Hugging Face model became."""

    cid: str
    commit: str
    precision: str
    task: str


class Configuration(Record):
    """What a repository says of what its model is for.

    Args:
        config: of config.json.
        pools: whether sentence-transformers makes a vector of a text with it.
    """

    config: dict[str, Any]
    pools: bool

    def task(self, model_type: ModelType | None) -> str | None:
        """The task that it speaks of, or that is usual for the kind of model."""
        task = configured.task_of(self.config, model_type)
        return "sentence-similarity" if self.pools and task == "feature-extraction" else task


def build(name: str, wanted: "Wanted", store: Store) -> Built:
    """The artifact of a model, built if the store does not have it.

    Args:
        name: OWNER/NAME, or a NAME of old without an owner; behind it @REVISION, or nothing for
            the default branch.
        wanted: at which precision; `auto` is fp16.
        store: where it goes.

    Raises:
        SpecError: it has no task that is known, or is to be calibrated on nothing.
        SourceError: the hub cannot be reached, or does not have it.
        ToolError: the extra [build] is not installed.
        RefusedError: a stage refused it.
    """
    repo, _, revision = name.partition("@")
    kinds.load("source", "hf").check(f"{repo}@{'0' * 40}")
    if wanted.precision == "auto":
        wanted = wanted._replace(precision=_DEFAULT)
    wants_data = kinds.load("precision", wanted.precision).NEEDS_CALIBRATION
    if not wants_data:
        wanted = wanted._replace(calibration=None)
    commit = _known_commit(repo, revision or _BRANCH, store)
    if commit and (built := _kept(repo, commit, wanted, store)):
        return built
    if wants_data and wanted.calibration is None:
        raise SpecError(
            f"{repo}: {wanted.precision} wants calibration_data: inputs by name as the model takes "
            "them, texts, or the path of some; or take int8_weights, which wants none"
        )
    if lacking := [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]:
        extra = "pip install 'openvino-ipfs-pipeline[build]'"
        raise ToolError(f"{repo}: it is not built yet, and that wants {lacking}: {extra}")
    commit = commit or _asked_commit(repo, revision or _BRANCH, store)
    with atomic.locked(store.folder("work") / "lock" / "hub", name, wait_s=_WAIT_S):
        if (built := _kept(repo, commit, wanted, store)) is None:
            built = _built(repo, commit, wanted, store)
            for asked in (wanted, wanted._replace(calibration=None)):
                store.note("names", _key(repo, commit, asked), built)
    return built


def _kept(repo: str, commit: str, wanted: "Wanted", store: Store) -> Built | None:
    """What was built, if it is still there."""
    built = store.noted("names", _key(repo, commit, wanted), Built)
    return built if built and Cid.parse(built.cid) in store else None


def _key(repo: str, commit: str, wanted: "Wanted") -> str:
    """What an artifact is noted under; without calibration data, the last that was made."""
    what = f"{repo}@{commit}.{wanted.precision}.{wanted.task or wanted.model_type or 'own'}"
    return what if wanted.calibration is None else f"{what}.{_digest(wanted.calibration)}"


def _known_commit(repo: str, revision: str, store: Store) -> str | None:
    if _COMMIT.fullmatch(revision):
        return revision
    meant = store.noted("names", f"{repo}@{revision}", Meant)
    return meant.commit if meant else None


def _asked_commit(repo: str, revision: str, store: Store) -> str:
    """Ask the hub what a branch is at, and note it."""
    commit = _in_child("commit_of", repo, revision, store, returns=str)
    store.note("names", f"{repo}@{revision}", Meant(commit=commit))
    return commit


def _built(repo: str, commit: str, wanted: "Wanted", store: Store) -> Built:
    """Take a model through the steps, and its artifact into the store."""
    said = _in_child("configuration_of", repo, commit, store, returns=Configuration)
    task = wanted.task or said.task(wanted.model_type)
    if task is None:
        have = said.config.get("architectures")
        raise SpecError(
            f"{repo}: config.json: architectures {have}: no task is known by it: "
            f"name one of {kinds.names('task')}"
        )
    name, model = _name(repo, commit, task), _model(repo, commit, task, wanted)
    with store.lease("build", name):
        layout = Layout(store.folder("build", name))
        variant = Variant(
            name=f"{model.name}-{wanted.precision}", model=model.name, precision=wanted.precision
        )
        params = Params(
            models={model.name: model},
            precisions={wanted.precision: _recipe(wanted.precision, said.config)},
            variants={variant.name: variant},
            devices=("CPU",),
        )
        _run(params, model, variant, wanted.calibration, layout)
        cid = folder_cid(layout.ir(variant.name))
        store.keep(layout.ir(variant.name), cid)
    return Built(cid=str(cid), commit=commit, precision=wanted.precision, task=task)


def source(name: str, wanted: "Wanted", store: Store) -> tuple[Model, Layout] | None:
    """The entry of a model that was built, and where its source is; None if nobody built it."""
    repo, _, revision = name.partition("@")
    wanted = wanted._replace(precision=_DEFAULT if wanted.precision == "auto" else wanted.precision)
    commit = _known_commit(repo, revision or _BRANCH, store)
    built = store.noted("names", _key(repo, commit, wanted), Built) if commit else None
    if commit is None or built is None:
        return None
    model = _model(repo, commit, built.task, wanted)
    return model, Layout(store.home / "build" / _name(repo, commit, built.task))


def _name(repo: str, commit: str, task: str) -> str:
    """What a model's project is called in the store."""
    return file_name(f"{repo}@{commit}.{task}")


def _model(repo: str, commit: str, task: str, wanted: "Wanted") -> Model:
    return Model(
        name=repo.rpartition("/")[2],
        source=f"hf:{repo}@{commit}",
        format="transformers",
        task=task,
        allow=wanted.allow,
    )


def _recipe(precision: str, config: Mapping[str, Any]) -> dict[str, JsonValue]:
    """What NNCF wants to be told of a transformer."""
    parts = (config, *(part for part in config.values() if isinstance(part, Mapping)))
    is_transformer = any("num_attention_heads" in part for part in parts)
    return {"model_type": "transformer"} if precision == "int8" and is_transformer else {}


def _run(
    params: Params, model: Model, variant: Variant, calibrated_on: Given, layout: Layout
) -> None:
    """What `dvc repro` would do for one variant, less what is there already."""
    if not layout.data(model.name).is_dir():
        fetch.fetch(model, layout)
    if not layout.export_provenance(model.name).is_file():
        export.export(model, layout)
    if calibrated_on is not None:
        _calibrate(model, calibrated_on, layout)
    quantize.quantize(params, variant, layout)


def _calibrate(model: Model, given: Sequence[Any] | Path, layout: Layout) -> None:
    """Make the calibration inputs of data, of texts, or of the inputs themselves."""
    if not isinstance(given, Path):
        kinds_given = {type(item) if isinstance(item, str) else Mapping for item in given}
        if kinds_given == {Mapping}:
            inputs = [_tensors(item, index) for index, item in enumerate(given)]
            folder = layout.calibration(model.name)
            folder.mkdir(parents=True, exist_ok=True)
            samples.save(inputs, folder / samples.INPUTS)
            return
        if kinds_given != {str}:
            raise DataError("calibration_data: want inputs by name, or texts, and not both")
        lines = [f"{' '.join(text.split())}\n" for text in given]
        given = layout.root / "calibration.txt"
        given.write_text("".join(lines), encoding="utf-8")
    data = Data.from_dict({"from": str(given.absolute())})
    calibration.calibration(model.model_copy(update={"calibration": data}), layout)


def _tensors(item: Any, index: int) -> Tensors:
    """Inputs as arrays of the types that networks take, with a batch axis."""
    if not isinstance(item, Mapping) or not item:
        raise DataError(f"calibration_data: item {index}: want inputs by name, or a text")
    arrays = {}
    for name, given in item.items():
        array = np.asarray(given)
        if array.dtype.kind not in "iufb":
            raise DataError(f"calibration_data: item {index}: {name!r}: want numbers")
        wide = np.float32 if array.dtype.kind == "f" else np.int64
        arrays[name] = np.atleast_2d(array).astype(wide)
    return arrays


def _digest(given: Given) -> str:
    """What calibration data has that is the same."""
    if isinstance(given, Path):
        return str(folder_cid(given))
    told = hashlib.sha256()
    for item in given or ():
        told.update(json.dumps(item, sort_keys=True, default=_numbers).encode())
    return told.hexdigest()


def _numbers(given: Any) -> list[Any]:
    """An array, or what becomes one, as lists."""
    return np.asarray(given).tolist()  # type: ignore[no-any-return]


def _in_child(function: str, repo: str, revision: str, store: Store, *, returns: type[T]) -> T:
    """What a function below finds out on the hub."""
    with tempfile.TemporaryDirectory(dir=store.folder("work")) as scratch:
        return sandbox.run(
            f"pipeline.runtime.hub:{function}",
            repo,
            revision,
            Path(scratch) / "found",
            returns=returns,
            scratch=Path(scratch),
            log=store.folder("work") / "hub.log",
            access=kinds.load("source", "hf").access(""),
            limits=Limits(deadline_s=_PATIENCE_S),
        )


def commit_of(repo: str, revision: str, out: Path) -> str:
    """In a child: the commit that a branch or tag is at."""
    out.mkdir()
    commit: str = kinds.load("source", "hf").commit_of(repo, revision, out)
    return commit


def configuration_of(repo: str, commit: str, out: Path) -> dict[str, Any]:
    """In a child: what a repository says of what its model is for."""
    out.mkdir()
    wanted = _CONFIGURATIONS.__contains__
    kinds.load("source", "hf").fetch(f"{repo}@{commit}", wanted, out)
    config = read_json(out / "config.json", dict, UnfitError)
    return {"config": config, "pools": (out / "modules.json").is_file()}
