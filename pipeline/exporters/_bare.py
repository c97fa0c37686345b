"""Files that hold a network and little else: what their exporters share.

Each converts a file in its own way; which file that is, what is put around the network, and how it
is written are the same.
"""

import glob
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ExportError
from pipeline.exporters import _beside, _prepared, _unconverted
from pipeline.networks import ir, weights, writer
from pipeline.spec import ONE, Model

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("numpy", "openvino", "openvino-tokenizers", "tokenizers", "transformers")
IR_BASELINE = "OpenVINO fp32 IR"  # where what a model was made for does not run
_USUAL = "model"  # the stem of the file that is meant where there are others too


def patterns(model: Model, endings: Sequence[str]) -> tuple[str, ...]:
    """The files of the networks that the entry names, else all with these endings."""
    named = tuple(glob.escape(name) for name in model.networks.values())
    return named or tuple(f"*{ending}" for ending in endings)


def together(model: Model, endings: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The same as alternatives, each whole."""
    found = patterns(model, endings)
    return (found,) if model.networks else tuple((pattern,) for pattern in found)


def places(source: Path, model: Model, endings: Sequence[str]) -> dict[str, Path]:
    """The file of each network, by the name of its IR.

    Raises:
        ExportError: it is not there, or the entry names none and there are several.
    """
    if model.networks:
        found = {_ir_name(name): source / file for name, file in model.networks.items()}
        for path in found.values():
            if not path.exists():
                raise ExportError(f"{model.source}: no file {path.relative_to(source)}")
        return found
    names = sorted(
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.name.endswith(tuple(endings))
    )
    usual = [name for name in names if Path(name).stem == _USUAL]
    (chosen,) = usual if len(usual) == 1 else names if len(names) == 1 else [""]
    if not chosen:
        raise ExportError(
            f"{model.source}: several networks: want files: one of {names}, or each by a name of "
            "its own, as {encoder: ..., decoder: ...}"
        )
    return {ir.MODEL: source / chosen}


def write(
    networks: "Mapping[str, ov.Model]",
    source: Path,
    model: Model,
    out: Path,
    *,
    keep: Collection[str] = (),
    reads: Collection[str] = (),
) -> dict[str, Any]:
    """Write networks as an IR folder, with a tokenizer if the task has one; the provenance.

    Args:
        networks: by the names of the IR's; may be changed.
        source: the folder that they came from.
        model: its entry.
        out: the folder to fill.
        keep: names that the source gave although they look generated.
        reads: names of the source's files that the networks were read from.
    """
    stamps: dict[str, Any] = {}
    sizes: Counter[str] = Counter()
    for name, network in networks.items():
        sizes.update(weights.sizes(network))
        made = _prepared.prepared(network, model)
        if name == ir.MODEL:
            made = _beside.of_task(model, "finish")(made, model, source)
        stamps[name] = writer.write(made, out, name, keep=keep)
    of_tokenizer, notes = _beside.write(source, model, out, reads)
    stamps |= of_tokenizer
    dtype = max(sizes, key=sizes.__getitem__, default="none")
    return {"dtype": dtype, "checkpoint": dict(sizes), "rt_info": stamps, "notes": notes}


@contextmanager
def told(where: str) -> Iterator[None]:
    """Translates what OpenVINO raises because of a model's file.

    Raises:
        ExportError: it cannot take it; the whole reason in a line, with the operations.
    """
    from openvino.frontend import GeneralFailure, OpConversionFailure, OpValidationFailure

    failures = (GeneralFailure, OpConversionFailure, OpValidationFailure)
    try:
        yield
    except (*failures, RuntimeError, TypeError, ValueError) as e:
        raise ExportError(f"{where}: OpenVINO: {_unconverted.reason(str(e))}") from e


@contextmanager
def gathered(path: Path, beside: Collection[str]) -> Iterator[Path]:
    """A file where those that it names lie beside it under their own names, and not as links.

    OpenVINO follows no link out of the folder of an ONNX file.

    Args:
        path: the file; it may be a link.
        beside: paths of the others, from its folder.
    """
    real = path.resolve()
    named = {name: path.parent / name for name in (path.name, *beside)}
    if all((real.parent / name).resolve() == at.resolve() for name, at in named.items()):
        yield real.parent / path.name
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, at in named.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(at, Path(folder) / name)
        yield Path(folder) / path.name


def _ir_name(name: str) -> str:
    return ir.MODEL if name == ONE else f"openvino_{name}_model"
