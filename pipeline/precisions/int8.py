"""int8: weights and activations, NNCF full post-training quantization on calibration inputs."""

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.errors import PrecisionError
from pipeline.host.progress import bar
from pipeline.networks import weights
from pipeline.networks.tensors import Tensors
from pipeline.precisions import Inputs
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("nncf", "numpy", "openvino")
WEIGHTS = ("i8", "u8")
BITS = 8
NEEDS_CALIBRATION = True


class IgnoredScope(Record):
    """Operations left as they are (nncf.IgnoredScope)."""

    names: list[str] = []
    patterns: list[str] = []
    types: list[str] = []


class Options(Record):
    """Arguments of nncf.quantize, under its own names and with its own defaults.

    `isa` is ours: the instruction set at which statistics are collected, because they decide bytes
    and differ between instruction sets; `host` takes whatever the machine has.
    """

    preset: Literal["performance", "mixed"] | None = None
    subset_size: int = Field(default=300, ge=1)
    fast_bias_correction: bool = True
    model_type: Literal["transformer"] | None = None
    target_device: Literal["ANY", "CPU", "GPU", "NPU"] = "ANY"
    ignored_scope: IgnoredScope = IgnoredScope()
    isa: Literal["AVX2", "host"] = "AVX2"


def apply(
    network: "ov.Model", options: Options, inputs: Inputs
) -> tuple["ov.Model", dict[str, Any]]:
    """The quantized network.

    Raises:
        PrecisionError: there are fewer calibration inputs than subset_size, or NNCF cannot take the
            network or an option.
    """
    import nncf

    samples = inputs()
    if len(samples) < options.subset_size:
        raise PrecisionError(
            f"subset_size {options.subset_size}: the calibration set holds only {len(samples)}"
        )
    weights.widen(network)
    with bar(None, "quantize", unit="input") as progress:

        def counted(sample: Tensors) -> Tensors:
            progress.update()
            return sample

        try:
            quantized = nncf.quantize(
                network,
                nncf.Dataset(samples, counted),
                preset=nncf.QuantizationPreset(options.preset) if options.preset else None,
                target_device=nncf.TargetDevice(options.target_device),
                subset_size=options.subset_size,
                fast_bias_correction=options.fast_bias_correction,
                model_type=nncf.ModelType(options.model_type) if options.model_type else None,
                ignored_scope=nncf.IgnoredScope(**options.ignored_scope.to_dict()),
            )
        except _refusals() as e:
            raise PrecisionError(f"precision int8: NNCF: {' '.join(str(e).split())}") from e
    return quantized, {}


def _refusals() -> tuple[type[Exception], ...]:
    """What NNCF raises of a network, a data set or an option (a pattern) that it cannot take."""
    import nncf

    return (
        nncf.InternalError,
        nncf.InvalidQuantizerGroupError,
        nncf.ParameterNotSupportedError,
        nncf.UnsupportedDatasetError,
        nncf.UnsupportedModelError,
        nncf.ValidationError,
        re.error,
    )
