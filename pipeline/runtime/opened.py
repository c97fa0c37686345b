"""An artifact on a device as a config of IPFS Accelerate asks for it.

An artifact of the pipeline is at the precision that it is, whole and validated. A file that
somebody has is brought to the precision and the shapes that are asked for in memory, and is that
precision or is refused.
"""

from typing import TYPE_CHECKING, Any, cast

from pipeline import kinds
from pipeline.errors import PrecisionError, SpecError
from pipeline.networks import weights
from pipeline.runtime import convert, devices, shapes
from pipeline.runtime.config import MODEL_TYPES, Loading
from pipeline.runtime.loaded import Loaded
from pipeline.runtime.names import Located, Wanted, locate
from pipeline.runtime.store import Store

if TYPE_CHECKING:
    import openvino as ov

    from pipeline.networks.session import Hint
    from pipeline.runtime.configured import ModelType

_PRECISIONS = {
    "f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8", "i4": "int4",
    "u4": "int4",
}  # fmt: skip


def opened(name: str, asked: Loading) -> Loaded:
    """What a load is asked for.

    Raises:
        PipelineError: there is none, it is not what its CID says, or it cannot be compiled.
    """
    requested = devices.parse(asked.device)
    device = str(requested)
    located = locate(str(asked.path or name), wanted(asked, device))
    _check(located, asked)
    if requested.left_out:
        told = f"{located.why}; it runs on {device}: {'; '.join(requested.left_out)}"
        located = located._replace(why=told)
    properties = dict(asked.properties)
    if asked.is_cached and (cid := located.held.cid) is not None:
        cache = asked.cache / cid if asked.cache else Store.usual().compiled(cid)
        properties["CACHE_DIR"] = str(cache)
    elif asked.is_cached:
        located = located._replace(why=f"{located.why}; nor is what was compiled of it kept")
    is_file = located.precision is None and len(located.held.names()) == 1
    if is_file:
        located = _at(located, asked)

    def prepared(network: "ov.Model") -> "ov.Model":
        if is_file:
            network = _brought(network, asked)
        return shapes.shaped(network, asked.shapes)

    loaded = Loaded(
        located,
        device,
        execution=asked.execution,
        hint=cast("Hint", asked.hint),
        properties=properties,
        prepare=prepared,
    )
    if loaded.is_served and (asked.shapes or (is_file and asked.precision != "auto")):
        raise SpecError(
            f"{located.held.where}: openvino.genai runs it as it is: want no input_shapes, and "
            "precision auto"
        )
    return loaded


def wanted(asked: Loading, device: str) -> Wanted:
    """How an artifact is wanted."""
    is_type = asked.kind in MODEL_TYPES
    return Wanted(
        precision=asked.precision,
        device=device,
        execution=asked.execution,
        task=None if is_type else asked.kind,
        model_type=cast("ModelType | None", asked.kind) if is_type else None,
        calibration=asked.calibration,
        allow=asked.allow,
    )


def _check(located: Located, asked: Loading) -> None:
    """What a config says of an artifact must be so."""
    if asked.format and located.held.format != asked.format:
        where = located.held.where
        raise SpecError(f"model_format: {asked.format!r}: {where} is no {asked.format}")
    if asked.precision not in ("auto", located.precision) and located.precision:
        raise SpecError(
            f"precision {asked.precision!r}: {located.held.where} is {located.precision}"
        )


def _at(located: Located, asked: Loading) -> Located:
    """A file that somebody has, with the precision that it is brought to."""
    found = precision_of(located.held.model(located.held.names()[0]))
    if asked.precision in ("auto", found):
        return located._replace(precision=found)
    why = f"{located.why}; its weights are {found}, and were brought to {asked.precision} here"
    return located._replace(precision=asked.precision, why=why)


def precision_of(network: "ov.Model") -> str | None:
    """The precision that most of a network's weights have."""
    sizes = weights.sizes(network)
    return _PRECISIONS.get(max(sizes, key=lambda kind: sizes[kind])) if sizes else None


def _brought(network: "ov.Model", asked: Loading) -> "ov.Model":
    """A network at the precision that is asked for."""
    found = precision_of(network)
    if asked.precision in ("auto", found) or found is None:
        return network
    if found not in ("fp32", "fp16", "bf16"):
        raise PrecisionError(f"precision {asked.precision!r}: the weights are {found} already")
    member: Any = kinds.load("precision", asked.precision)
    if member.NEEDS_CALIBRATION and not asked.calibration:
        raise PrecisionError(
            f"precision {asked.precision!r} is calibrated: want calibration_data, as "
            "[{'x': array}, ...]; or take int8_weights, which wants none"
        )
    return convert.brought(network, asked.precision, asked.calibration or [])
