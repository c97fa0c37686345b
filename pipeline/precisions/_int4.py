"""What int4_sym and int4_asym share: weights of 4 bits in groups, NNCF compress_weights.

By NNCF's rules weights of 4 bits are those that a MatMul multiplies by, but for the last one and,
at a `ratio` below 1, the most sensitive; tables (embeddings), convolutions and what no group size
divides keep 8 bits. `all_layers` takes in the last layer and the tables.
"""

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from pipeline.errors import PrecisionError
from pipeline.networks import weights
from pipeline.precisions import _nncf
from pipeline.record import Record

if TYPE_CHECKING:
    import openvino as ov

FOUR = ("i4", "u4")
# Where the channels of a layer do not divide by the group size, the largest power of two by which
# they do, but no smaller one: with a scale of 16 bits for 4 weights each would take 8 bits.
SMALLEST_GROUP = 8


class Options(Record):
    """Arguments of nncf.compress_weights, under its own names and with its own defaults.

    `group_size` is how many weights share a scale, -1 for all of a channel. `ratio` is how much of
    what may be of 4 bits is; below a half the name would say what is the smaller part.
    """

    ratio: float = Field(default=1.0, ge=0.5, le=1)
    group_size: Literal[-1, 8, 16, 32, 64, 128, 256] = 128
    all_layers: bool = False
    backup_mode: Literal["none", "int8_sym", "int8_asym"] = "int8_asym"
    ignored_scope: weights.IgnoredScope = weights.NOTHING


def compress(
    network: "ov.Model", options: Options, mode: Literal["int4_sym", "int4_asym"]
) -> tuple["ov.Model", dict[str, Any]]:
    """The network with compressed weights, and how they were.

    Raises:
        PrecisionError: NNCF cannot take the network or an option.
    """
    import nncf

    weights.widen(network)
    with _nncf.speaking(mode):
        compressed = nncf.compress_weights(
            network,
            mode=nncf.CompressWeightsMode(mode),
            ratio=options.ratio,
            group_size=options.group_size,
            all_layers=options.all_layers,
            backup_mode=nncf.BackupMode(options.backup_mode),
            ignored_scope=_nncf.ignored(options.ignored_scope),
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST,
                min_adjusted_group_size=SMALLEST_GROUP,
            ),
        )
    return compressed, _figures(compressed, options)


def check(network: "ov.Model", options: Options, precision: str) -> None:
    """Hold a network to the name of int4.

    Nearly all bytes of the weights are of 4 or 8 bits, and of the values that MatMuls multiply by,
    which are most, nearly the `ratio` are of 4. The last MatMul that is not does not count, because
    NNCF leaves it so; at a ratio below 1 it may be one layer more, because NNCF takes whole ones.

    Raises:
        PrecisionError: they are not.
    """
    weights.hold(network, (*FOUR, "i8", "u8"), precision, options.ignored_scope)
    found = _judged(network, options)
    able = [weight for weight in found if weight.use in ("MatMul", *weights.TABLES)]
    total = sum(weight.values for weight in able)
    label = f"precision {precision}: {network.get_friendly_name()}"
    if 2 * total < sum(weight.values for weight in found):
        raise PrecisionError(f"{label}: mostly convolutions, which keep 8 bits: want int8_weights")
    left = [weight.values for weight in able if not weight.is_four]
    last = left.pop() if left and not options.all_layers else 0
    more = max(left, default=0) if options.ratio < 1 else 0
    if not able:
        return  # tables alone: the embeddings of a decoder that is a network of its own
    four = _four(able)
    if not four or four + more < weights.SHARE * options.ratio * (total - last):
        raise PrecisionError(
            f"{label}: {four} of {total} values that MatMuls multiply by are of 4 bits: want "
            f"{weights.SHARE * options.ratio:g} of them, the last layer aside; all_layers takes "
            "that and tables in, group_size -1 any number of channels"
        )


def _figures(network: "ov.Model", options: Options) -> dict[str, Any]:
    """How the weights were compressed, for the record.

    Returns:
        `ratio`: the share of 4 bits in the values that are multiplied by; `layers`: how many
        weights there are of each element type; `group_sizes`: of those of 4 bits, how many weights
        have so many values to a scale.
    """
    found = _judged(network, options)
    everything = weights.weights(network, options.ignored_scope)
    sizes = Counter(_group_size(c) for c in everything if weights.element_type(c) in FOUR)
    return {
        "ratio": round(_four(found) / max(sum(weight.values for weight in found), 1), 4),
        "layers": dict(sorted(Counter(map(weights.element_type, everything)).items())),
        "group_sizes": {str(size): count for size, count in sorted(sizes.items())},
    }


class _Weight(NamedTuple):
    """A weight: how many values it has, whether they are of 4 bits, and what uses it first."""

    values: int
    is_four: bool
    use: str


def _judged(network: "ov.Model", options: Options) -> list[_Weight]:
    """The weights that the name is about: those that layers multiply by, or all."""
    return [
        _Weight(
            prod(constant.get_output_shape(0)),
            weights.element_type(constant) in FOUR,
            operation.get_type_name(),
        )
        for operation, constant in weights.uses(network, options.ignored_scope)
        if options.all_layers or operation.get_type_name() not in weights.TABLES
    ]


def _four(found: Sequence[_Weight]) -> int:
    """How many values are of 4 bits."""
    return sum(weight.values for weight in found if weight.is_four)


def _group_size(constant: "ov.Node") -> int:
    """How many values of a compressed weight share a scale."""
    node = constant
    while node.get_type_name() != "Multiply":
        (node,) = (user.get_node() for user in node.output(0).get_target_inputs())
    scales = prod(node.input_value(1).get_shape())
    return int(prod(constant.get_output_shape(0)) // scales)
