"""A checkpoint as a PyTorch model, in which nothing is random.

What a checkpoint lacks, transformers fills with random weights. Here it is filled with NaN: so it
cannot pass unseen, and whether an output depends on it is to be read from the exported network.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.exporters._errors import told
from pipeline.networks import canonical
from pipeline.record import read_json
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

_SHOWN = 5  # names of tensors in a message


class Loaded(NamedTuple):
    """A model in evaluation mode, finite but for what its checkpoint lacks.

    Args:
        network: the PyTorch model.
        lacking: the tensors that are NaN, because the checkpoint lacks them; and what it has
            instead, if it has something.
    """

    network: Any
    lacking: Mapping[str, str]

    @property
    def is_encoder(self) -> bool:
        """Whether it is the encoder of what has a decoder too, as T5EncoderModel."""
        return _is_encoder(type(self.network))


def load(source: Path, model: Model, dtype: Any) -> Loaded:
    """The checkpoint in a source, at a dtype of torch, or at its own if that is `auto`.

    Raises:
        ExportError: it is not finite, or not what config.json says.
    """
    import torch

    how: dict[str, Any] = {
        "trust_remote_code": "remote_code" in model.allow,
        "local_files_only": True,
    }
    with told(f"{model.source}: config.json"):
        loader = _loader(source, model, how)
    how |= {
        "dtype": dtype,
        "use_safetensors": None if "pickle" in model.allow else True,  # None: where there are any
        "ignore_mismatched_sizes": True,  # which ones, the report tells
        "output_loading_info": True,
    }
    with told(f"{model.source}: its checkpoint"):
        network, report = loader.from_pretrained(source, **how)
        if prefix := _prefix(report):
            renamed = {f"^{re.escape(prefix)}": ""}
            network, report = loader.from_pretrained(source, key_mapping=renamed, **how)
    lacking = _lacking(report)
    for name, tensor in network.state_dict().items():
        if name in lacking:
            if not tensor.is_floating_point():
                raise ExportError(f"{model.source}: the checkpoint lacks {name!r}")
            tensor.fill_(torch.nan)
        elif tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(f"{model.source}: tensor {name!r} holds NaN or infinity")
    return Loaded(network.eval(), lacking)


def check_whole(networks: Iterable["ov.Model"], lacking: Mapping[str, str], model: Model) -> None:
    """Hold networks against what the checkpoint that they were exported from lacks.

    Raises:
        ExportError: an output depends on some of that, which is named.
    """
    if not lacking or not (holding := [n for network in networks for n in _undefined(network)]):
        return
    found = [key for key in lacking if any(key in name for name in holding)] or list(lacking)
    shown = ", ".join(f"{key!r}{lacking[key]}" for key in sorted(found)[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ExportError(
        f"{model.source}: the checkpoint lacks {shown}{more}, on which the outputs of "
        f"{model.task} depend: want a checkpoint that was saved from a model of this task"
    )


def _undefined(network: "ov.Model") -> list[str]:
    """The names of the constants that hold NaN, in the bodies of loops and branches too."""
    names = []
    for operation in network.get_ordered_ops():
        if operation.get_type_name() == "Constant" and _holds_nan(operation):
            names.append(str(operation.get_friendly_name()))
        for body in canonical.bodies(operation):
            names += _undefined(body)
    return names


def _holds_nan(constant: "ov.Node") -> bool:
    is_real = constant.get_element_type().is_real()
    return bool(is_real and np.isnan(constant.get_data(dtype=np.float32)).any())


def known_task(model: Model) -> str:
    """The model's task, by the name that optimum has for it."""
    from optimum.exporters.tasks import TasksManager

    own = getattr(kinds.load("task", model.task), "EXPORTED_AS", model.task)
    return str(TasksManager.map_from_synonym(own))


def generates(model: Model, config: Any) -> bool:
    """Whether the task makes a token after the other, with a model that remembers the former."""
    import optimum.exporters.openvino.model_configs  # noqa: F401 - tells TasksManager of the types
    from optimum.exporters.tasks import TasksManager

    task = known_task(model)
    try:
        known = TasksManager.get_supported_tasks_for_model_type(
            config.model_type, exporter="openvino", library_name="transformers"
        )
    except KeyError:  # a type that optimum does not know
        return False
    return task != "feature-extraction" and f"{task}-with-past" in known


def _loader(source: Path, model: Model, how: Mapping[str, Any]) -> Any:
    """The Auto class that makes the task's model; of an encoder and decoder, the encoder's."""
    from optimum.exporters.tasks import TasksManager
    from transformers import AutoConfig, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    said = read_json(source / "config.json", dict, ExportError)
    if not said.keys() & {"model_type", "auto_map"}:
        raise ExportError(
            f"{model.source}: config.json: no model_type: want what transformers saved"
        )
    task = known_task(model)
    if task == "feature-extraction":
        config = AutoConfig.from_pretrained(source, **how)
        if _is_encoder(MODEL_FOR_TEXT_ENCODING_MAPPING.get(type(config), None)):
            return AutoModelForTextEncoding
        if getattr(config, "is_encoder_decoder", False):
            raise ExportError(
                f"{model.source}: config.json: model_type {config.model_type!r} is an encoder with "
                f"a decoder: {model.task} wants an encoder alone, as BERT's, or T5, of which the "
                "encoder is taken"
            )
    return TasksManager.get_model_class_for_task(task, model_type=said.get("model_type"))


def _is_encoder(kind: Any) -> bool:
    """Whether a class is that of the encoder of what has a decoder too, by its name."""
    return getattr(kind, "__name__", "").endswith("EncoderModel")


def _lacking(report: Mapping[str, Any]) -> dict[str, str]:
    """The tensors that were not loaded, and what the checkpoint has instead."""
    lacking = {str(key): "" for key in report["missing_keys"]}
    for key, has, wants in report["mismatched_keys"]:
        lacking[str(key)] = f" of shape {tuple(wants)} (it has {tuple(has)})"
    return lacking


def _prefix(report: Mapping[str, Any]) -> str:
    """What stands before the names of a checkpoint that was saved from inside another module.

    It is looked for in the longest name that is missing, which is that of a layer; two candidates
    are none.
    """
    missing = max(map(str, report["missing_keys"]), key=len, default="")
    ends = [str(key) for key in report["unexpected_keys"] if str(key).endswith(f".{missing}")]
    return ends[0].removesuffix(missing) if missing and len(ends) == 1 else ""
