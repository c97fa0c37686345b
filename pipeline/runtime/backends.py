"""The backends by name, as IPFS Accelerate looks them up."""

from typing import Any

from pipeline.errors import SpecError
from pipeline.runtime.backend import Backend, OpenVINOBackend
from pipeline.runtime.cpu import CPUBackend
from pipeline.runtime.hardware import ALIASES

BACKEND_REGISTRY: dict[str, type[Backend]] = {"cpu": CPUBackend, "openvino": OpenVINOBackend}


def get_backend(name: str, config: dict[str, Any] | None = None) -> Backend:
    """A new backend.

    Raises:
        SpecError: there is none of that name.
    """
    known = ALIASES.get(name.lower(), name.lower())
    if known not in BACKEND_REGISTRY:
        raise SpecError(f"backend {name!r}: have {sorted(BACKEND_REGISTRY)}")
    return BACKEND_REGISTRY[known](config)


def list_available_backends() -> list[str]:
    """The names of the backends that can run models here."""
    return [name for name, kind in BACKEND_REGISTRY.items() if kind().is_available()]
