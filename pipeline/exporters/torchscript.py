"""TorchScript: a module that torch.jit.save wrote, which is the original too.

Its code comes with it, so that it loads only where the entry allows pickles, from a pinned source.
"""

import zipfile
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError, SpecError
from pipeline.exporters import (
    _arguments,
    _bare,
    _beside,
    _module,
    _pickled,
    _prepared,
    _program,
    _script,
)
from pipeline.exporters._eager import use_threads as use_threads
from pipeline.networks import ir
from pipeline.networks.tensors import Networks
from pipeline.spec import Model

TOOLCHAIN = (*_bare.TOOLCHAIN, "torch")
RUNS_WITH = ("numpy", "pillow", "torch")
ENDINGS = (".pt", ".pth", ".ts", ".jit", ".torchscript")
_MARK = "constants.pkl"  # lies in every archive of torch.jit.save, and in none of torch.save


def check(model: Model) -> None:
    """Want what the module takes, and one file.

    Raises:
        SpecError: the entry does not say it.
    """
    if len(model.networks) > 1:
        raise SpecError(f"files: {sorted(model.networks)}: want one")
    for file in model.networks.values():
        if not file.endswith(ENDINGS):
            raise SpecError(f"files: {file!r}: want what torch.jit.save wrote: {[*ENDINGS]}")
    _arguments.check(model)


def baseline() -> str:
    """What the original runs in."""
    return "TorchScript fp32"


def files(model: Model) -> tuple[str, ...]:
    """The module, and what lies beside the IR."""
    return (*(name for (name,) in weights(model)), *_beside.NAMES)


def weights(model: Model) -> tuple[tuple[str, ...], ...]:
    """The module, where it may be loaded."""
    allowed = _bare.patterns(model, ENDINGS) if "pickle" in model.allow else ()
    return tuple((pattern,) for pattern in allowed)


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the IR folder.

    Raises:
        ExportError: it is no TorchScript, or nothing that OpenVINO converts.
    """
    path = _place(source, model)
    script = _loaded(path, model)
    network = _script.convert(script, _bound(script, model), model)  # before a run changes it
    original = _original(script, model)
    examples = _arguments.examples(model, original)
    _program.rename_outputs(network, [*original(examples[0])], model.source)
    _program.check(network, original, examples, model, how="TorchScript")
    reads = {path.relative_to(source).as_posix()}
    return _bare.write({ir.MODEL: network}, source, model, out, reads=reads)


def original(source: Path, model: Model) -> Networks:
    """The module itself."""
    script = _loaded(_place(source, model), model)
    return _prepared.fed({ir.MODEL: _original(script, model)}, model)


def _place(source: Path, model: Model) -> Path:
    (path,) = _bare.places(source, model, ENDINGS).values()
    return path


def _bound(script: Any, model: Model) -> dict[str, str]:
    return _arguments.bound(model, _script.arguments(script))


def _original(script: Any, model: Model) -> _module.Original:
    numbers = _script.numbers(script)
    return _module.Original(script, _bound(script, model), model.source, numbers)


def _loaded(path: Path, model: Model) -> Any:
    """The module in evaluation mode, at f32.

    Raises:
        ExportError: the file is none; a state dict wants a factory, a pickled module another file.
    """
    import torch

    where = f"{model.source}: {path.name}"
    if "pickle" not in model.allow:
        raise ExportError(f"{where}: TorchScript holds code: it wants allow: [pickle]")
    if not _is_archive(path):
        _pickled.unpickled(path, where)
        raise ExportError(
            f"{where}: a state dict, no TorchScript: want factory: MODULE:FUNCTION in the model's "
            "entry, which makes its module"
        )
    load: Any = torch.jit.load
    try:
        return load(path, map_location="cpu").eval().float()
    except _program.GIVEN_UP as e:
        said = " ".join(str(e).split())
        raise ExportError(f"{where}: torch.jit.load: {said}") from e


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] == _MARK for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
