"""ModelAccelerator: a model on the first hardware of a profile that takes it; all else forwards.

What is passed over is told: `get_model_info()["fallback"]` and each result's `fallback` have a line
for every sort of hardware that did not take the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import DataError, DeviceError, SpecError
from pipeline.runtime.answers import Answer, failure
from pipeline.runtime.backend import Backend
from pipeline.runtime.backends import BACKEND_REGISTRY, get_backend
from pipeline.runtime.hardware import HardwareDetector, HardwareProfile

Profile = HardwareProfile | Mapping[str, Any] | str | None


class ModelAccelerator:
    """Loads models on the hardware that a profile prefers.

    Args:
        worker: upstream's, kept for callers; models run here.
        config: keys of the backends' constructors (config.KEYS).
        hardware_profile: for calls that name none.
    """

    def __init__(
        self,
        worker: Any = None,
        config: Mapping[str, Any] | None = None,
        hardware_profile: Profile = None,
    ) -> None:
        self.worker, self.config = worker, config or {}
        self.hardware_profile = _profile(hardware_profile)
        self.detector = HardwareDetector(config)
        self._backends: dict[str, Backend] = {}

    def load(
        self,
        model_name: str,
        model_type: str | None = None,
        hardware_profile: Profile = None,
        **config: Any,
    ) -> "ModelWrapper":
        """A model, loaded.

        Raises:
            DeviceError: no hardware of the profile takes it; with the reason of each.
        """
        if model_type is not None:
            config["model_type"] = model_type
        return ModelWrapper(self, model_name, self._chosen(hardware_profile), config)

    def load_model(
        self, model_name: str, hardware_profile: Profile = None, **config: Any
    ) -> "ModelWrapper":
        """The same, as upstream's callers write it."""
        return self.load(model_name, hardware_profile=hardware_profile, **config)

    def accelerate(
        self, model_name: str, content: Any, hardware_profile: Profile = None, **config: Any
    ) -> Answer:
        """Load a model and run it once."""
        try:
            model = self.load(model_name, hardware_profile=hardware_profile, **_ours(config))
        except DeviceError as e:
            return failure(e)
        return model(content)

    run = accelerate

    def batch_accelerate(
        self,
        model_name: str,
        content_list: Sequence[Any],
        hardware_profile: Profile = None,
        **config: Any,
    ) -> list[Answer]:
        """Load a model and run it on each of a list."""
        return [self.accelerate(model_name, c, hardware_profile, **config) for c in content_list]

    def get_embeddings(
        self, model_name: str, content: Any, hardware_profile: Profile = None, **config: Any
    ) -> Answer:
        """The same as `accelerate`, of a model that makes vectors: a list each, `embeddings`."""
        answer = self.accelerate(model_name, content, hardware_profile, **config)
        if answer["status"] != "success":
            return answer
        try:
            return answer | {"embeddings": vectors(answer["results"]).tolist()}
        except DataError as e:
            return failure(e)

    def get_optimal_hardware(
        self, model_name: str, task_type: str | None = None, batch_size: int = 1
    ) -> str:
        """The best sort of hardware that is there."""
        return self.detector.get_optimal_hardware(model_name, task_type, batch_size)

    def place(
        self, name: str, profile: HardwareProfile, config: Mapping[str, Any]
    ) -> tuple[str, Backend, Answer, list[str]]:
        """Load a model on the first hardware that takes it.

        Returns:
            The hardware, its backend, the answer to the load, and why others did not take it.

        Raises:
            DeviceError: none does.
        """
        passed: list[str] = []
        for hardware in profile.hardware:
            if hardware not in BACKEND_REGISTRY:
                have = sorted(BACKEND_REGISTRY)
                passed.append(f"{hardware}: models run on {have} here")
                continue
            backend = self._backends.setdefault(hardware, get_backend(hardware, dict(self.config)))
            try:
                asked = _asked(config, profile, hardware)
            except SpecError as e:
                passed.append(f"{hardware}: {e}")
                continue
            answer = backend.load_model(name, asked)
            if answer["status"] == "success":
                return hardware, backend, answer, passed
            passed.append(f"{hardware}: {answer['message']}")
        raise DeviceError(f"{name}: no hardware takes it: {'; '.join(passed)}")

    def _chosen(self, profile: Profile) -> HardwareProfile:
        return self.hardware_profile if profile is None else _profile(profile)


class ModelWrapper:
    """A model that is loaded.

    Args:
        accelerator: which loaded it.
        model_name: as it was asked for.
        profile: the hardware that was wanted.
        config: keys of a load.
    """

    def __init__(
        self,
        accelerator: ModelAccelerator,
        model_name: str,
        profile: HardwareProfile,
        config: Mapping[str, Any],
    ) -> None:
        self.model_name, self.model_type = model_name, config.get("model_type")
        self._accelerator, self._config = accelerator, config
        self._place(profile)

    def __call__(self, content: Any, **config: Any) -> Answer:
        """Run it; the keys are those of a run."""
        answer = self.backend.run_inference(
            self.model_name, content, {**config, "device": self.device}
        )
        return answer | {"hardware": self.hardware, "fallback": self.fallback}

    run = __call__
    run_inference = __call__

    def get_embeddings(self, input_text: Any) -> list[Any]:
        """The vector of a text, or those of a list of texts.

        Raises:
            DataError: it makes none, or cannot be run on that.
        """
        answer = self(input_text)
        if answer["status"] != "success":
            raise DataError(answer["message"])
        made = vectors(answer["results"])
        listed: list[Any] = (made if isinstance(input_text, list) else made[0]).tolist()
        return listed

    def switch_hardware(self, hardware_profile: Profile) -> Answer:
        """Load it on other hardware; where that fails, it stays where it is."""
        before = (self.backend, self.device)
        try:
            self._place(_profile(hardware_profile))
        except DeviceError as e:
            return failure(e)
        if before != (self.backend, self.device):
            before[0].unload_model(self.model_name, before[1])
        return self.loaded | {"hardware": self.hardware, "fallback": self.fallback}

    def get_model_info(self) -> Answer:
        """Which artifact it is, where it runs, and why not elsewhere."""
        return self.loaded | {"hardware": self.hardware, "fallback": self.fallback}

    def _place(self, profile: HardwareProfile) -> None:
        self.hardware, self.backend, self.loaded, self.fallback = self._accelerator.place(
            self.model_name, profile, self._config
        )
        self.device = self.loaded["device"]


class ModelManager:
    """The models of an accelerator by name.

    Args:
        accelerator: which loads them; a new one by default.
    """

    def __init__(self, accelerator: ModelAccelerator | None = None) -> None:
        self.accelerator = accelerator or ModelAccelerator()
        self.models: dict[str, ModelWrapper] = {}

    def load_model(
        self, model_name: str, hardware_profile: Profile = None, **config: Any
    ) -> ModelWrapper:
        """A model, loaded once.

        Raises:
            DeviceError: no hardware takes it.
        """
        if model_name not in self.models:
            load = self.accelerator.load_model
            self.models[model_name] = load(model_name, hardware_profile, **config)
        return self.models[model_name]

    def get_model(self, model_name: str) -> ModelWrapper | None:
        """A model that was loaded."""
        return self.models.get(model_name)

    def unload_model(self, model_name: str) -> Answer:
        """Forget a model."""
        model = self.models.pop(model_name, None)
        if model is None:
            return {"status": "error", "message": f"{model_name}: have {sorted(self.models)}"}
        return model.backend.unload_model(model_name, model.device)


def vectors(results: Any) -> np.ndarray[Any, Any]:
    """The vectors that a run made, of shape (n, size).

    Raises:
        DataError: it made something else.
    """
    if isinstance(results, list) and results and all(map(_is_vector, results)):
        return np.stack(results)
    kind = type(results).__name__
    raise DataError(f"results: {kind}: no vectors: want a model of sentence-similarity or such")


def _is_vector(result: Any) -> bool:
    return isinstance(result, np.ndarray) and result.ndim == 1 and result.dtype.kind == "f"


def _asked(config: Mapping[str, Any], profile: HardwareProfile, hardware: str) -> dict[str, Any]:
    """The keys of a load, of which a call's own go before the profile's."""
    device, precision = profile.device(hardware), profile.precision
    of_profile = {"device": device, "precision": None if precision == "auto" else precision}
    return {key: value for key, value in of_profile.items() if value is not None} | dict(config)


def _profile(given: Profile) -> HardwareProfile:
    """A profile, of the ways in which callers give one."""
    if given is None or isinstance(given, HardwareProfile):
        return given or HardwareProfile()
    return HardwareProfile(given) if isinstance(given, str) else HardwareProfile.from_dict(given)


def _ours(config: Mapping[str, Any]) -> dict[str, Any]:
    """What upstream calls a model's type here is what a load calls it elsewhere."""
    return {("model_type" if key == "task_type" else key): value for key, value in config.items()}
