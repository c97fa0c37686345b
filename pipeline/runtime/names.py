"""From a name to an artifact in memory, verified where somebody said what it must be.

A name is, in this order: a CID; a path; a variant or a model of the project in the working folder;
one that the store knows; a model on a Hugging Face hub, which is built, once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline import artifact, kinds, spec
from pipeline.errors import (
    ContentError,
    IntegrityError,
    PipelineError,
    RefusedError,
    SourceError,
    SpecError,
)
from pipeline.host import progress
from pipeline.ipfs.cid import Cid
from pipeline.layout import Layout
from pipeline.manifest import FileEntry
from pipeline.networks import description
from pipeline.networks.description import Description
from pipeline.refusal import Refusal
from pipeline.runtime import choice, configured, verified
from pipeline.runtime.choice import Asked, Known
from pipeline.runtime.configured import ModelType
from pipeline.runtime.held import Held
from pipeline.runtime.store import Store, key
from pipeline.spec import Model, Variant
from pipeline.steps.catalog import Catalog, Entry, Refused

_CID = re.compile(
    r"(?:ipfs://)?(?P<cid>Qm[1-9A-HJ-NP-Za-km-z]{44}|[bBzZfFuUmM][A-Za-z0-9_-]{40,})/?"
)
_MAX_NAME, _SHOWN = 1000, 60
_HUB = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?:@[\w./-]+)?", re.ASCII)


class Wanted(NamedTuple):
    """How a model is wanted.

    Args:
        precision: one of the family, in any case, or `auto`.
        device: which it is for.
        execution: INFERENCE_PRECISION_HINT, or `default`.
        task: what it is for, where its configuration is not to say that.
        model_type: what kind of model it is, for one whose configuration says no task.
        calibration: what INT8 of a Hugging Face model is calibrated on: tensors by name, or texts;
            or the path of data as params.yaml has it.
        allow: what of a Hugging Face model may run: `remote_code`.
    """

    precision: str = "auto"
    device: str = "CPU"
    execution: str = "default"
    task: str | None = None
    model_type: ModelType | None = None
    calibration: "Sequence[Mapping[str, Any]] | Sequence[str] | Path | None" = None
    allow: tuple[Literal["remote_code"], ...] = ()


class Located(NamedTuple):
    """An artifact, and why it is this one.

    Args:
        held: its files, in memory.
        told: what it says of itself, or what its configuration says; None: run it on tensors only.
        variant: its name, if it has one.
        precision: if that is known.
        validated: whether a gate is known that it met.
        why: which was taken and why, in one sentence.
    """

    held: Held
    told: Description | None
    variant: str | None
    precision: str | None
    validated: bool
    why: str


def locate(
    name: str,
    wanted: Wanted | None = None,
    *,
    project: Layout | None = None,
    store: Store | None = None,
) -> Located:
    """The artifact that a name means.

    Args:
        name: a CID, a path, a variant or model, or a Hugging Face id.
        wanted: how it is wanted.
        project: whose catalog is looked into; by default that in the working folder.
        store: by default the user's own.

    Raises:
        SpecError: it means nothing.
        IntegrityError: what is there is not what its CID says.
        GateError: all that there is of it was refused by its gate.
        PipelineError: it cannot be had, or cannot be built.
    """
    if not name.isprintable() or len(name) > _MAX_NAME:
        raise SpecError(f"{name[:_SHOWN]!r}...: want a name of at most {_MAX_NAME} characters")
    wanted = _plain(wanted or Wanted())
    project, store = project or Layout(), store or Store.usual()
    if (found := _CID.fullmatch(name)) and (cid := _cid(found["cid"], name)):
        return _of_cid(cid, _listed(project), wanted, store)
    path, listed = Path(name), _listed(project)
    if verified.holds_ir(path):
        return _of_path(path, wanted)
    if found_here := _choose(name, listed, wanted):
        return _of_project(*found_here, wanted, project, store)
    if found_there := _choose(name, _known(store), wanted):
        known, why = found_there
        return _located(_stored(Cid.parse(known.cid), store), known, wanted, why)
    if name and path.exists():
        return _of_path(path, wanted)  # which says what it lacks
    if not _HUB.fullmatch(name):
        raise SpecError(_tried(name, listed, store))
    try:
        return _of_hub(name, wanted, store)
    except SourceError as e:
        if "/" in name:
            raise
        raise SourceError(f"{e}; {_tried(name, listed, store)}") from e


def _plain(wanted: Wanted) -> Wanted:
    """With the precision as the family calls it.

    Raises:
        SpecError: there is none of that name.
    """
    precision = wanted.precision.lower().replace("-", "_")
    if precision != "auto":
        kinds.file("precision", precision)
    if wanted.task is not None:
        kinds.file("task", wanted.task)
    if wanted.model_type not in (None, *configured.MODEL_TYPES):
        have = list(configured.MODEL_TYPES)
        raise SpecError(f"model_type {wanted.model_type!r}: have {have}")
    return wanted._replace(precision=precision)


def _cid(text: str, name: str) -> Cid | None:
    """The CID that a text is; a word that only looks like one is none, unless it says so."""
    try:
        return Cid.parse(text)
    except ContentError:
        if name.startswith("ipfs://"):
            raise
        return None


def _of_cid(cid: Cid, listed: Sequence[Known], wanted: Wanted, store: Store) -> Located:
    of = (known for known in (*listed, *_known(store)) if Cid.parse(known.cid) == cid)
    known = next(of, None)
    why = f"ipfs://{cid}: asked for by its CID{_state(known)}"
    return _located(_stored(cid, store), known, wanted, why)


def _of_path(path: Path, wanted: Wanted) -> Located:
    why = f"{path}: a path; nobody said what it must be, so nothing was verified"
    return _located(verified.read(path), None, wanted, why)


def _of_hub(name: str, wanted: Wanted, store: Store) -> Located:
    """What a Hugging Face model became here."""
    from pipeline.runtime import hub

    built = hub.build(name, wanted, store)
    chosen = "asked for" if wanted.precision != "auto" else "because nothing was measured of it"
    why = (
        f"{name}: {built.task} at commit {built.commit[:12]}, {built.precision}, {chosen}; "
        "it was validated on nothing"
    )
    held = _stored(Cid.parse(built.cid), store)
    store.sweep()
    return _located(held, None, wanted, why, built.precision)


def _stored(cid: Cid, store: Store) -> Held:
    """An artifact of the store, pulled if it is not there, or is damaged."""
    try:
        return _leased(cid, store)
    except ContentError as e:
        if cid not in store:
            raise
        progress.note(f"{e}: removed from the store")
    store.drop(cid)
    return _leased(cid, store)


def _leased(cid: Cid, store: Store) -> Held:
    where, lease = f"ipfs://{cid}", store.lease("ir", key(cid))
    try:
        held = verified.read(store.bring(cid), cid)
    except BaseException:
        lease.close()
        raise
    return replace(held, where=where, lease=lease)


def _known(store: Store) -> list[Known]:
    """What the store knows of artifacts, whether they are there or not."""
    found = (store.noted("known", name, Known) for name in store.names("known"))
    return [known for known in found if known]


def _of_project(known: Known, why: str, wanted: Wanted, project: Layout, store: Store) -> Located:
    """The project's folder, held against the CID of its catalog; the store's if it is not here."""
    cid, folder = Cid.parse(known.cid), project.ir(known.variant)
    if folder.is_dir():
        held = verified.read(folder, cid, files=_manifest(known, project))
    else:
        held = _stored(cid, store)
    try:
        store.note("known", known.variant, known)
    except (OSError, PipelineError) as e:
        progress.note(f"{known.variant} will not be known elsewhere: {e}")
    return _located(held, known, wanted, why)


def _manifest(known: Known, project: Layout) -> tuple[FileEntry, ...]:
    """The files that `package` recorded of an artifact.

    Raises:
        IntegrityError: it recorded them of another CID.
    """
    package = project.package(known.variant)
    if not package.is_dir():
        return ()
    found = artifact.read(package)
    packaged = artifact.judged(found) if isinstance(found, Refusal) else found
    if packaged and packaged.cid != known.cid:
        raise IntegrityError(
            f"{known.variant}: {project.catalog} says {known.cid}, {package} {packaged.cid}"
        )
    return packaged.files if packaged else ()


def _choose(name: str, listed: Sequence[Known], wanted: Wanted) -> tuple[Known, str] | None:
    """The artifact of a variant's or a model's name; None if there is neither."""
    for known in listed:
        if known.variant == name:
            if wanted.precision not in ("auto", known.precision):
                raise SpecError(f"{name}: precision {wanted.precision!r}: it is {known.precision}")
            return known, f"{name}: asked for by its name{_state(known)}"
    of_model = [known for known in listed if known.model == name]
    if not of_model:
        return None
    asked = Asked(wanted.device, wanted.execution)
    return choice.choose(name, of_model, wanted.precision, asked)


def _state(known: Known | None) -> str:
    if known is None:
        return "; nothing is known of how good it is"
    return f", though its gate refused it: {known.refused}" if known.refused else ""


def _listed(project: Layout) -> list[Known]:
    """What a project's catalog lists, refused ones too; nothing where there is none."""
    if not (project.catalog.is_file() and project.params.is_file()):
        return []
    catalog, variants = Catalog.read(project.catalog), spec.read(project.params).variants
    listed: tuple[Entry | Refused, ...] = (*catalog.artifacts, *catalog.refusals)
    found = (_found(e, variants[e.variant]) for e in listed if e.variant in variants)
    return [known for known in found if known]


def _found(listed: Entry | Refused, variant: Variant) -> Known | None:
    """What a catalog knows of a variant; None if it was refused before anything was measured."""
    if listed.accuracy is None:
        return None
    return Known(
        model=variant.model,
        variant=variant.name,
        precision=variant.precision,
        cid=listed.accuracy.cid if isinstance(listed, Refused) else listed.cid,
        refused=listed.reason if isinstance(listed, Refused) else None,
        accuracy=listed.accuracy,
        benchmarks=listed.benchmarks,
    )


def _tried(name: str, listed: Sequence[Known], store: Store) -> str:
    have = sorted({n for known in (*listed, *_known(store)) for n in (known.variant, known.model)})
    return (
        f"{name!r}: want ipfs://CID, the path of an IR folder, .xml or .onnx, a variant or model "
        f"(have {have}), or a Hugging Face id as OWNER/NAME"
    )


def _located(
    held: Held, known: Known | None, wanted: Wanted, why: str, precision: str | None = None
) -> Located:
    told, lacking = _told(held, wanted)
    if lacking:
        why += f"; to be run on tensors: {lacking}"
    return Located(
        held=held,
        told=told,
        variant=known.variant if known else None,
        precision=known.precision if known else precision,
        validated=known is not None and known.refused is None,
        why=why,
    )


def _told(held: Held, wanted: Wanted) -> tuple[Description | None, str]:
    """What an artifact says of itself, or what its configuration does; or why nothing is known.

    Raises:
        ContentError: it says something that is no description.
        RefusedError: it is not for the task that the user names.
    """
    if description.FILE in held.files:
        fields = held.json(description.FILE)
        return Description.from_dict(fields, f"{held.where}: {description.FILE}", ContentError), ""
    config = held.json("config.json") if "config.json" in held.files else {}
    task = wanted.task or configured.task_of(config, wanted.model_type)
    if task is None:
        return None, "its task is not known"
    model = Model(name="it", source="file:it", format="transformers", task=task)
    try:
        with held.copied("*.json", "*.txt", "*.jinja") as folder:
            options, _ = kinds.load("task", task).resolve(model, folder)
    except (RefusedError, ImportError) as e:
        if wanted.task:
            raise
        return None, f"{task}: {e}"
    networks = tuple(held.names())
    return Description(format=1, task=task, networks=networks, options=options.to_dict()), ""
