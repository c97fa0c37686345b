"""Hugging Face transformers, through optimum-intel, at the checkpoint's own dtype.

The only file that calls optimum-intel; what that refuses as an architecture that it does not know
goes through `_torch_export`, at f32. Everything is read from the local source folder; what lies
beside the IR is copied from it byte for byte, because those files are pinned and re-saved ones
carry the version of the tool that saved them. The folder may be a view, made of links.
"""

import re
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipeline.errors import ExportError
from pipeline.exporters import (
    _beside,
    _checkpoint,
    _eager,
    _loading,
    _prepared,
    _torch_export,
)
from pipeline.exporters._checkpoint import weights as weights
from pipeline.exporters._eager import use_threads as use_threads
from pipeline.exporters._errors import told
from pipeline.exporters._loading import Loaded
from pipeline.networks import ir, positions, writer
from pipeline.networks.tensors import Networks
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = (
    "numpy",
    "openvino",
    "openvino-tokenizers",
    "optimum",
    "optimum-intel",
    "safetensors",
    "sentencepiece",
    "tokenizers",
    "torch",
    "transformers",
)
RUNS_WITH = ("optimum", "pillow", "safetensors", "torch", "transformers")
ENDINGS = ()
# How optimum-intel says that it knows no such architecture, or not for the task or transformers.
_UNKNOWN = re.compile(
    "not officially supported|unsupported architecture|doesn't support task|is not supported yet|"
    "version of Transformers does not allow"
)
_SAFE = (
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "[0-9]*_Dense/model.safetensors",
    "[0-9]*_LayerNorm/model.safetensors",
)
_PICKLE = (
    "pytorch_model.bin",
    "pytorch_model-*.bin",
    "pytorch_model.bin.index.json",
    "[0-9]*_Dense/pytorch_model.bin",
    "[0-9]*_LayerNorm/pytorch_model.bin",
)


def baseline() -> str:
    """What the original runs in."""
    return "PyTorch eager fp32"


def files(model: Model) -> tuple[str, ...]:
    """The weights (safetensors, and pickles only where they are allowed) and what is copied."""
    code = ("*.py",) if "remote_code" in model.allow else ()
    return (*_SAFE, *(_PICKLE if "pickle" in model.allow else ()), *code, *_beside.NAMES)


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write the networks, tokenizer and detokenizer IR, and the source's files beside them.

    Raises:
        ExportError: the checkpoint is not whole or not finite, or neither optimum-intel nor
            torch.export can export it.
    """
    checkpoint = _checkpoint.sizes(source, model)
    loaded = _loading.load(source, model, _checkpoint.dtype(checkpoint))
    stamps, notes = _export_networks(loaded, model, source, out)
    of_tokenizer, differing = _beside.write(source, model, out)
    return {
        "dtype": str(loaded.network.dtype).removeprefix("torch."),
        "checkpoint": checkpoint,
        "rt_info": stamps | of_tokenizer,
        "notes": [*notes, *differing],
    }


def original(source: Path, model: Model) -> Networks:
    """The source's PyTorch model in eager mode at fp32, with the outputs that its task is for."""
    import torch

    loaded = _loading.load(source, model, torch.float32).network
    networks = _eager.networks(loaded, generates=_loading.generates(model, loaded.config))
    if ir.MODEL in networks:
        completed = _beside.of_task(model, "complete")(networks[ir.MODEL], model, source)
        networks = {**networks, ir.MODEL: completed}
    return _prepared.fed(networks, model)


def _export_networks(
    loaded: Loaded, model: Model, source: Path, out: Path
) -> tuple[dict[str, Any], list[str]]:
    """Write every network; by name the rt_info that was left out of it, and notes."""
    with tempfile.TemporaryDirectory(dir=out.parent) as raw:
        made, notes = _exported(loaded, model, source, Path(raw))
        if ir.MODEL in made and _loading.known_task(model) == "feature-extraction":
            positions.from_mask(made[ir.MODEL])
        made = {name: _prepared.prepared(network, model) for name, network in made.items()}
        if ir.MODEL in made:
            made[ir.MODEL] = _beside.of_task(model, "finish")(made[ir.MODEL], model, source)
        _loading.check_whole(made.values(), loaded.lacking, model)
        return {name: writer.write(network, out, name) for name, network in made.items()}, notes


def _exported(
    loaded: Loaded, model: Model, source: Path, raw: Path
) -> tuple[dict[str, "ov.Model"], list[str]]:
    """The networks as optimum-intel makes them, or one of torch.export's where that knows none."""
    try:
        _by_optimum(loaded, model, raw)
    except ExportError as refused:
        if not _UNKNOWN.search(str(refused)) or loaded.network.can_generate():
            raise
        network, notes = _by_torch(loaded, model, source, refused)
        return {ir.MODEL: network}, notes
    return {name: ir.read(raw, name) for name in ir.networks(raw)}, []


def _by_optimum(loaded: Loaded, model: Model, raw: Path) -> None:
    import torch
    from optimum.exporters.openvino import export_from_model

    network = loaded.network
    past = "-with-past" if _loading.generates(model, network.config) else ""
    _stand_in_for_a_head(network)
    with told(f"{model.source}: optimum-intel"):
        export_from_model(
            network,
            raw,
            task=f"{_loading.known_task(model)}{past}",
            trust_remote_code="remote_code" in model.allow,
            patch_16bit_model=network.dtype in (torch.float16, torch.bfloat16),
            **(_as_encoder(network) if loaded.is_encoder else {}),
        )


def _by_torch(
    loaded: Loaded, model: Model, source: Path, refused: ExportError
) -> tuple["ov.Model", list[str]]:
    """The network without optimum-intel, with the outputs that the same task has there.

    Raises:
        ExportError: it will not do; with the reason of either.
    """
    from optimum.exporters.openvino.base import OpenVINOConfig

    outputs = OpenVINOConfig._TASK_TO_COMMON_OUTPUTS.get(_loading.known_task(model), ())
    said = str(refused).removeprefix(f"{model.source}: ")
    try:
        made, notes = _torch_export.convert(loaded.network, tuple(outputs), source, model)
    except ExportError as e:
        raise ExportError(f"{refused}; {str(e).removeprefix(f'{model.source}: ')}") from e
    return made, [f"{_torch_export.NOTE}{said}", *notes]


def _stand_in_for_a_head(network: Any) -> None:
    """Let a decoder without a head be found where one with a head has it.

    optimum-intel 2.2 patches Mistral, Phi-3, GPT-Neo and BLOOM by `network.model.layers` or
    `network.transformer.h` whatever they are exported as.
    """
    prefix = network.base_model_prefix
    if prefix in ("model", "transformer") and not hasattr(network, prefix):
        setattr(network, prefix, SimpleNamespace(**dict(network.named_children())))


def _as_encoder(network: Any) -> dict[str, Any]:
    """What tells optimum-intel to export the encoder of T5, and no decoder with it."""
    from optimum.exporters.openvino.model_configs import DistilBertOpenVINOConfig

    network.config.is_encoder_decoder = False
    inputs = DistilBertOpenVINOConfig(network.config, task="feature-extraction")
    return {
        "custom_export_configs": {"model": inputs},
        "fn_get_submodels": lambda network: {"model": network},
    }
