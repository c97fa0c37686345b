"""CPUBackend."""

from pipeline.runtime.backend import Backend


class CPUBackend(Backend):
    """CPU."""
