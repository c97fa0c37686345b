"""The instruction set at which bytes are made.

Calibration statistics depend on it, so a child process that makes bytes is held to one: that of
oneDNN (OpenVINO's kernels), of OpenBLAS, of NumPy's own dispatch and of PyTorch.
"""

from collections.abc import Mapping

DEFAULT = "AVX2"
ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "AVX2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "host": {},
}
