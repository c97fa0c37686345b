"""quantize: an exported IR at a variant's precision: the artifact.

It runs in a child process at a pinned instruction set, because calibration statistics depend on it
and the same recipe must give the same bytes on every machine.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import kinds
from pipeline.errors import CrashError, PrecisionError
from pipeline.host import atomic, isa, sandbox
from pipeline.host.walls import Access
from pipeline.layout import Layout
from pipeline.networks import batched, canonical, description, ir, samples, weights, writer
from pipeline.networks.recording import Recording
from pipeline.networks.session import Session
from pipeline.networks.tensors import Network, Tensors
from pipeline.provenance import Quantized
from pipeline.spec import Params, Variant
from pipeline.toolchain import versions

if TYPE_CHECKING:
    import openvino as ov


class Calibration:
    """What the networks of an export are calibrated on (precisions.Data), made when asked for.

    Args:
        exported: the IR folder.
        inputs: the file of the calibration inputs.
    """

    def __init__(self, exported: Path, inputs: Path) -> None:
        self._exported, self._inputs = exported, inputs
        self._seen: dict[int, dict[str, Sequence[Tensors]]] = {}

    def of(self, network: str) -> "Fed":
        """What one of the networks is calibrated on."""
        return Fed(self, network)

    def seen(self, count: int) -> dict[str, Sequence[Tensors]]:
        """What each network is fed of the first `count` inputs, which are gone over once."""
        if count not in self._seen:
            self._seen[count] = self._record(count)
        return self._seen[count]

    def _record(self, count: int) -> dict[str, Sequence[Tensors]]:
        told = description.read(self._exported)
        task = kinds.load("task", told.task)
        options = task.Resolved.from_dict(told.options)
        recordings: dict[str, Recording] = {}
        networks: dict[str, Network] = {}
        for name in told.networks:
            network = ir.read(self._exported, name)
            session, batch = Session(network, execution="f32"), batched.static(network)
            recording = Recording(session, session.inputs, remembers=session.remembers)
            recordings[name] = networks[name] = recording
            if batch is not None:
                networks[name] = batched.Batched(recording, batch, session.inputs)
        for sample in samples.load(self._inputs)[:count]:
            task.run(networks, sample, options)
        return {name: recording.seen for name, recording in recordings.items()}


class Fed(NamedTuple):
    """What one network is calibrated on."""

    calibration: Calibration
    network: str

    def inputs(self, count: int) -> Sequence[Tensors]:
        """What the network is fed of the first `count` calibration inputs."""
        return self.calibration.seen(count)[self.network]


def quantize(params: Params, variant: Variant, layout: Layout) -> None:
    """Fill artifacts/ir/<variant> and write its provenance.

    Raises:
        PrecisionError: the model cannot be had at that precision.
        CrashError: OpenVINO crashed over it.
    """
    with atomic.building(layout.work, f"ir/{variant.name}") as scratch:
        made = atomic.folder(scratch / "made")
        quantized = run(params, variant, layout, made, layout.log(f"quantize-{variant.name}"))
        provenance = scratch / "provenance.json"
        provenance.write_text(quantized.json())
        atomic.publish(made / "ir", layout.ir(variant.name))
        atomic.publish(provenance, layout.provenance(variant.name))


def run(params: Params, variant: Variant, layout: Layout, made: Path, log: Path) -> Quantized:
    """Write the artifact of a variant as `ir` into a folder, and return its provenance.

    Raises:
        PrecisionError: the model cannot be had at that precision.
        CrashError: OpenVINO crashed over it.
    """
    options = params.options(variant)
    level = str(options.get("isa", isa.DEFAULT))
    exported = layout.export(variant.model).resolve()
    calibration = (layout.calibration(variant.model) / samples.INPUTS).resolve()
    with sandbox.Child(
        scratch=made,
        log=log,
        access=Access(reads=(exported, calibration)),
        limits=params.model(variant.model).limits,
        env=isa.ENVIRONMENT[level],
    ) as child:
        with _explained(variant.precision, level):
            told = child.call(
                "pipeline.steps.quantize:convert",
                exported,
                variant.precision,
                options,
                calibration,
                made / "ir",
                returns=dict[str, Any],
            )
        ours = {"precision": variant.precision, "isa": level, "walls": child.walls}
    return Quantized.from_dict(told | ours)


@contextmanager
def _explained(precision: str, level: str) -> Iterator[None]:
    """What to do about a crash: at a pinned instruction set some of OpenVINO's kernels do.

    2026.4: MVN, and so GroupNormalization (wav2vec2, HuBERT), at AVX2 on a CPU that has AVX-512.
    """
    try:
        yield
    except CrashError as e:
        if level == "host" or "isa" not in kinds.load("precision", precision).Options.model_fields:
            raise
        raise CrashError(
            f"{e}; some kernels of OpenVINO crash at the pinned instruction set: with "
            f"precisions.{precision}.isa: host it calibrates at this machine's own, and the bytes "
            "are those of such machines"
        ) from e


def convert(
    source: Path, name: str, options: dict[str, object], calibration: Path, out: Path
) -> dict[str, Any]:
    """In a child: write every network at the precision, and what lies beside them unchanged."""
    precision = kinds.load("precision", name)
    networks = ir.networks(source)
    ours = {f"{network}{suffix}" for network in networks for suffix in (".xml", ".bin")}
    out.mkdir()
    writer.copy_beside(source, out, lambda name: name not in ours)
    complete = precision.Options.from_dict(options)
    ignored = weights.IgnoredScope(**complete.to_dict().get("ignored_scope", {}))
    is_divided = len(networks) > 1 and ignored != weights.NOTHING
    recipes = _recipes(source, complete) if is_divided else {}
    fed = Calibration(source, calibration)
    made: dict[str, Any] = {"weights": {}, "rt_info": {}}
    for network in networks:
        exported = ir.read(source, network)
        keep = canonical.names(exported)
        recipe = recipes.get(network, complete)
        if weights.is_quantized(exported):
            applied, figures = _as_it_is(exported, name, precision), {"quantized_by": "its source"}
        else:
            applied, figures = precision.apply(exported, recipe, fed.of(network))
        precision.check(applied, recipe)
        made["weights"][network] = {"bytes": weights.sizes(applied, ignored), **figures}
        made["rt_info"][network] = writer.write(applied, out, network, keep=keep)
    return {
        "options": complete.to_dict(),
        "toolchain": versions(precision.TOOLCHAIN),
        **made,
    }


def _as_it_is(network: "ov.Model", name: str, precision: Any) -> "ov.Model":
    """A network that arrived quantized, which nobody quantizes twice.

    Raises:
        PrecisionError: the precision is another than that which quantizes weights and activations.
    """
    if not precision.NEEDS_CALIBRATION:
        raise PrecisionError(
            f"precision {name}: {network.get_friendly_name()} was quantized by its source: want "
            "int8, which keeps it as it is"
        )
    return network


def _recipes(source: Path, complete: Any) -> dict[str, Any]:
    """The recipe for each of several networks: NNCF refuses an ignored scope that names nothing.

    Raises:
        PrecisionError: something in the ignored scope is in none of them.
    """
    whole: weights.IgnoredScope = complete.ignored_scope
    scopes = {network: whole.within(ir.read(source, network)) for network in ir.networks(source)}
    for kind, wanted in whole.to_dict().items():
        known = {one for scope in scopes.values() for one in getattr(scope, kind)}
        if lacking := [one for one in wanted if one not in known]:
            raise PrecisionError(f"ignored_scope.{kind}: {lacking}: in none of {sorted(scopes)}")
    return {n: complete.model_copy(update={"ignored_scope": own}) for n, own in scopes.items()}
