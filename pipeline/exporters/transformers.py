"""Hugging Face transformers, through optimum-intel, at the checkpoint's own dtype.

The only file that calls optimum-intel. Everything is read from the local source folder; what lies
beside the IR is copied from it byte for byte, because those files are pinned and re-saved ones
carry the version of the tool that saved them. The folder may be a view, made of links.
"""

import inspect
import math
import pickle
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.exporters import _tokenizer
from pipeline.host.reasons import over
from pipeline.networks import ir, positions, writer
from pipeline.networks.tensors import Networks, Tensors
from pipeline.record import read_json
from pipeline.spec import Model

TOOLCHAIN = (
    "openvino",
    "openvino-tokenizers",
    "optimum",
    "optimum-intel",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)
RUNS_WITH = ("optimum", "safetensors", "torch", "transformers")
BASELINE = "PyTorch eager fp32"
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
_SAFE_CHECKPOINTS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*.safetensors"),
)
_PICKLED_CHECKPOINTS = (
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*.bin"),
)
_TOKENIZER = "tokenizer.json"  # a task that wants it is about texts
_BITS = {"F64": 64, "I64": 64, "F32": 32, "I32": 32, "F16": 16, "BF16": 16, "I16": 16}
_FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}  # widest last
# What consumers look for beside the IR; a task's FILES come on top.
_BESIDE = (
    "config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "[0-9]*_*/config.json",
    "LICENSE*",
    "LICENCE*",
    "COPYING*",
    "NOTICE*",
)


def files(allow: Sequence[str]) -> tuple[str, ...]:
    """The weights (safetensors, and pickles only where they are allowed) and what is copied."""
    code = ("*.py",) if "remote_code" in allow else ()
    return (*_SAFE, *(_PICKLE if "pickle" in allow else ()), *code, *_BESIDE)


def weights(allow: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """What a checkpoint may be, in the order in which it is looked for: patterns that go together.

    The first of each is the file that is loaded, or names those that are.
    """
    return (*_SAFE_CHECKPOINTS, *(_PICKLED_CHECKPOINTS if "pickle" in allow else ()))


def export(source: Path, model: Model, out: Path) -> dict[str, Any]:
    """Write openvino_model, tokenizer and detokenizer IR, and the source's files beside them.

    Raises:
        ExportError: the checkpoint is not whole or not finite, or optimum-intel cannot export it.
    """
    checkpoint = _checkpoint(source, model)
    network = _load(source, model, checkpoint)
    stamps = {ir.MODEL: _export_model(network, model, source, out)}
    of_tokenizer, notes = {}, []
    if _TOKENIZER in kinds.load("task", model.task).FILES:
        of_tokenizer, notes = _tokenizer.export(source, model, out)
    _copy_beside(source, model, out)
    dtype = str(network.dtype).removeprefix("torch.")
    stamps |= of_tokenizer
    return {"dtype": dtype, "checkpoint": checkpoint, "rt_info": stamps, "notes": notes}


def original(source: Path, model: Model) -> Networks:
    """The source's PyTorch model in eager mode at fp32, with the outputs that its task is for."""
    import torch

    eager = _Eager(_read(source, model, torch.float32)[0])
    complete = getattr(kinds.load("task", model.task), "complete", lambda network, *_: network)
    return {ir.MODEL: complete(eager, model, source)}


class _Eager:
    """A PyTorch model of transformers as a `Network`: it takes what its `forward` names."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._takes = inspect.signature(network.forward).parameters.keys()

    def __call__(self, inputs: Tensors) -> Tensors:
        import torch

        taken = {n: torch.from_numpy(a) for n, a in inputs.items() if n in self._takes}
        with torch.inference_mode():
            outputs = self._network(**taken)
        return {n: t.numpy() for n, t in outputs.items() if isinstance(t, torch.Tensor)}

    def reset(self) -> None:
        """Nothing stays between calls."""


def _checkpoint(source: Path, model: Model) -> dict[str, int]:
    """Bytes of the checkpoint's tensors by element type, as it says itself (`F32`, `BF16`).

    config.json may say otherwise.
    """
    sizes: Counter[str] = Counter()
    for path in _loaded(source, model):
        pickled = path.suffix != ".safetensors"
        if pickled and "pickle" not in model.allow:
            raise ExportError(f"{path.name}: no *.safetensors: a pickle wants allow: [pickle]")
        read = _of_pickle if pickled else _of_safetensors
        for kind, size in read(path):
            sizes[kind] += size
    return dict(sizes)


def _loaded(source: Path, model: Model) -> list[Path]:
    """The files that `_load` reads: those that config.json names, else the first of `weights`.

    The order is that of transformers (`_get_resolved_checkpoint_files`).
    """
    named = [name for name, *_ in weights(model.allow)]
    there = [name for name in named if (source / name).is_file()]
    first = read_json(source / "config.json", dict, ExportError).get(
        "transformers_weights"
    ) or next(iter(there), None)
    if first is None:
        raise ExportError(f"{model.source}: no weights: want one of {named}")
    if not str(first).endswith(".index.json"):
        return [source / str(first)]
    shards = read_json(source / str(first), dict, ExportError).get("weight_map")
    if not isinstance(shards, dict):
        raise ExportError(f"{first}: weight_map: {shards!r}: want tensor names to files")
    return [source / name for name in sorted({str(name) for name in shards.values()})]


def _of_safetensors(path: Path) -> Iterator[tuple[str, int]]:
    """Element type and bytes of each tensor."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                part = tensors.get_slice(name)
                kind, count = part.get_dtype(), math.prod(part.get_shape())
                yield kind, count * _BITS.get(kind, 8) // 8
    except (OSError, SafetensorError) as e:
        raise ExportError(f"{path.name}: not safetensors: {e}") from e


def _of_pickle(path: Path) -> Iterator[tuple[str, int]]:
    """Element type, as safetensors calls it, and bytes of each tensor; no value is read."""
    import torch

    called = {dtype: kind for kind, dtype in _FLOATS.items()}
    try:
        tensors = torch.load(path, map_location="meta", weights_only=True)
    except (EOFError, OSError, RuntimeError, pickle.UnpicklingError) as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ExportError(f"{path.name}: no pickled state dict: {reason}") from e
    if not isinstance(tensors, dict):
        raise ExportError(f"{path.name}: no pickled state dict: {type(tensors).__name__}")
    for tensor in tensors.values():
        if isinstance(tensor, torch.Tensor):
            dtype = str(tensor.dtype).removeprefix("torch.")
            kind = called.get(dtype, dtype.upper().replace("INT", "I"))
            yield kind, tensor.nelement() * tensor.element_size()


def _dtype(checkpoint: Mapping[str, int]) -> Any:
    """The dtype that holds a checkpoint exactly: its own, or the wider one where it has several."""
    import torch

    floats = [kind for kind in _FLOATS if kind in checkpoint]
    if not floats:
        return "auto"
    several = len(floats) > 1 and "F64" not in floats
    return getattr(torch, _FLOATS["F32" if several else floats[-1]])


@over("config.json and the weights")
def _load(source: Path, model: Model, checkpoint: Mapping[str, int]) -> Any:
    """The checkpoint as a PyTorch model, whole and finite."""
    import torch

    network, report = _read(source, model, _dtype(checkpoint))
    for problem in ("missing_keys", "mismatched_keys"):
        if report[problem]:
            raise ExportError(
                f"{model.source}: checkpoint has {problem.replace('_', ' ')} "
                f"{sorted(map(str, report[problem]))[:5]}: want the whole model"
            )
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(f"{model.source}: tensor {name!r} holds NaN or infinity")
    return network


def _read(source: Path, model: Model, dtype: Any) -> tuple[Any, Any]:
    """A source as a PyTorch model of the task's class, and what was found amiss."""
    from optimum.exporters.tasks import TasksManager

    loader = TasksManager.get_model_class_for_task(_known_task(model))
    network, report = loader.from_pretrained(
        source,
        dtype=dtype,
        trust_remote_code="remote_code" in model.allow,
        use_safetensors=None if "pickle" in model.allow else True,  # None: where there are any
        local_files_only=True,
        output_loading_info=True,
    )
    return network.eval(), report


def _known_task(model: Model) -> str:
    """The model's task, by the name that optimum has for it."""
    from optimum.exporters.tasks import TasksManager

    own = getattr(kinds.load("task", model.task), "EXPORTED_AS", model.task)
    return str(TasksManager.map_from_synonym(own))


@over("the loaded model")
def _export_model(network: Any, model: Model, source: Path, out: Path) -> dict[str, Any]:
    import torch
    from optimum.exporters.openvino import export_from_model

    _stand_in_for_a_head(network)
    with tempfile.TemporaryDirectory(dir=out.parent) as raw:
        export_from_model(
            network,
            raw,
            task=_known_task(model),
            trust_remote_code="remote_code" in model.allow,
            patch_16bit_model=network.dtype in (torch.float16, torch.bfloat16),
        )
        exported = ir.read(Path(raw))
        if _known_task(model) == "feature-extraction":
            positions.from_mask(exported)
        finish = getattr(kinds.load("task", model.task), "finish", lambda network, *_: network)
        return writer.write(finish(exported, model, source), out)


def _stand_in_for_a_head(network: Any) -> None:
    """Let a decoder without a head be found where one with a head has it.

    optimum-intel 2.2 patches Mistral, Phi-3, GPT-Neo and BLOOM by `network.model.layers` or
    `network.transformer.h` whatever they are exported as.
    """
    prefix = network.base_model_prefix
    if prefix in ("model", "transformer") and not hasattr(network, prefix):
        setattr(network, prefix, SimpleNamespace(**dict(network.named_children())))


def _copy_beside(source: Path, model: Model, out: Path) -> None:
    patterns = (*_BESIDE, *kinds.load("task", model.task).FILES)
    writer.copy_beside(source, out, lambda name: any(fnmatchcase(name, p) for p in patterns))
