"""int8: weights and activations, NNCF full post-training quantization on calibration inputs."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.errors import PrecisionError
from pipeline.host.progress import bar
from pipeline.networks import weights
from pipeline.networks.tensors import Tensors
from pipeline.precisions import Data, _nncf
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

TOOLCHAIN = ("nncf", "numpy", "openvino")
BITS = 8
NEEDS_CALIBRATION = True
SUBSET_SIZE = 300  # NNCF's own default


class Options(Record):
    """Arguments of nncf.quantize, under its own names and with its own defaults.

    A `subset_size` that is given must be there; otherwise it is NNCF's own, or as many inputs as
    there are. `isa` is ours: the instruction set at which statistics are collected, because they
    decide bytes and differ between instruction sets; `host` takes whatever the machine has.
    """

    preset: Literal["performance", "mixed"] | None = None
    subset_size: int | None = Field(default=None, ge=1)
    fast_bias_correction: bool = True
    model_type: Literal["transformer"] | None = None
    target_device: Literal["ANY", "CPU", "GPU", "NPU"] = "ANY"
    ignored_scope: weights.IgnoredScope = weights.NOTHING
    isa: Literal["AVX2", "host"] = "AVX2"


def apply(network: "ov.Model", options: Options, data: Data) -> tuple["ov.Model", dict[str, Any]]:
    """The quantized network; the record says how many inputs were looked at.

    Raises:
        PrecisionError: there are fewer calibration inputs than subset_size, or none, or NNCF cannot
            take the network or an option.
    """
    import nncf

    samples = data.inputs(options.subset_size or SUBSET_SIZE)
    subset_size = options.subset_size or len(samples)
    if not len(samples) >= subset_size > 0:
        raise PrecisionError(
            f"subset_size {subset_size or 'not given'}: the calibration set holds "
            f"{f'only {len(samples)}' if samples else 'nothing'}"
        )
    weights.widen(network)
    with bar(None, "quantize", unit="input") as progress:

        def counted(sample: Tensors) -> Tensors:
            progress.update()
            return sample

        with _nncf.speaking("int8"):
            quantized = nncf.quantize(
                network,
                nncf.Dataset(samples, counted),
                preset=nncf.QuantizationPreset(options.preset) if options.preset else None,
                target_device=nncf.TargetDevice(options.target_device),
                subset_size=subset_size,
                fast_bias_correction=options.fast_bias_correction,
                model_type=nncf.ModelType(options.model_type) if options.model_type else None,
                ignored_scope=_nncf.ignored(options.ignored_scope),
            )
    return quantized, {"subset_size": subset_size}


def check(network: "ov.Model", options: Options) -> None:
    """Nearly all bytes of the weights are of 8 bits, or a PrecisionError."""
    weights.hold(network, ("i8", "u8"), "int8", options.ignored_scope)
