"""The backend that runs artifacts on OpenVINO's devices (pipeline.runtime)."""

from pipeline.runtime.backend import OpenVINOBackend as OpenVINOBackend
