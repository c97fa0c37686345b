"""The backends by name (pipeline.runtime)."""

from pipeline.runtime.backends import BACKEND_REGISTRY as BACKEND_REGISTRY
from pipeline.runtime.backends import get_backend as get_backend
from pipeline.runtime.backends import list_available_backends as list_available_backends
