"""The backend that runs models on the CPU without OpenVINO, where it can (pipeline.runtime)."""

from pipeline.runtime.cpu import CPUBackend as CPUBackend
