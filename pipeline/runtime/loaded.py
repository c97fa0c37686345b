"""A located artifact on a device, fed what people have: texts, pictures, sounds, or tensors.

    load("artifacts/ir/minilm-int8")(["a text", "another"])        a vector of each

What its networks are for it says itself (`openvino_artifact.json`), and the task that it names does
the rest: it was validated with the same task and the same options.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline import kinds
from pipeline.errors import SpecError
from pipeline.networks import ir
from pipeline.networks.inputs import MASK, TOKENS
from pipeline.networks.session import Hint, Session
from pipeline.networks.tensors import Array, Tensors
from pipeline.runtime import extra, given, texts
from pipeline.runtime.names import Located
from pipeline.spec import Model
from pipeline.tasks import Item, Outcome, _texts

# What tasks read beside the networks: configurations, tokenizers, processors; no weights.
_BESIDE = ("*.json", "*.txt", "*.jinja", "*.model", "*.spm")


class Loaded:
    """An artifact on a device.

    Args:
        located: what `names.locate` found.
        device: an OpenVINO device name, as `CPU` or `AUTO`.
        execution: INFERENCE_PRECISION_HINT (`f32`, `bf16` ...), or `default` for the device's own.
        hint: what the device is tuned for.
        properties: more of OpenVINO's own, as INFERENCE_NUM_THREADS or CACHE_DIR.

    Attributes:
        task: what its networks are for, as in params.yaml; None where nobody knows.
        options: the task's `Resolved`; None without a task.
        sessions: its networks, by the names of their files.
        infer: tensors to tensors. Of one network it is the session's own `infer`.

    Raises:
        DeviceError: OpenVINO does not offer the device here, or cannot compile for it.
        SpecError: its task is not known.
    """

    def __init__(
        self,
        located: Located,
        device: str = "CPU",
        *,
        execution: str = "default",
        hint: Hint = "LATENCY",
        properties: Mapping[str, object] | None = None,
    ) -> None:
        self.located, self.device = located, device
        self.task = located.told.task if located.told else None
        self._member = kinds.load("task", self.task) if self.task else None
        self.options = _options(self._member, located) if self._member else None
        self.sessions = {
            name: Session(
                located.held.model(name),
                device,
                execution=execution,
                hint=hint,
                properties=properties,
            )
            for name in located.held.names()
        }
        self.infer = self._infer()
        self._private = ExitStack()
        self._over = weakref.finalize(self, self._private.close)
