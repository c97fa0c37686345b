"""What decides a cell, as an entry of the plan: DVC runs the cell again when its entry changes.

An entry has the parameters that the cell uses, resolved with defaults; what its source would
deliver, and the digests of its data files; the versions of the distributions that it calls; and the
digest of its code. What a cell reads of other cells is a dependency in dvc.yaml instead.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from pipeline import bounds, factory, grid, imports, kinds, sizes
from pipeline.errors import PipelineError
from pipeline.grid import Cell
from pipeline.host.digests import Digests, Memory
from pipeline.layout import Layout
from pipeline.record import Record, to_json
from pipeline.spec import Data, Model, Params, Variant
from pipeline.steps import fetch
from pipeline.steps._code import Code, modules, spelt
from pipeline.toolchain import RUNTIME, versions

# What computes CIDs, and what computes figures.
_CIDS = ("multiformats",)
_FIGURES = ("numpy", "scipy")
# Of a model's entry, what its networks are made of.
_MADE_OF = ("format", "files", "beside", "factory", "inputs")


class Entry(Record):
    """What decides a cell.

    Args:
        parameters: what it uses of params.yaml, with the defaults of what is left out.
        data: the digest of each data set that it reads, or what one that lies elsewhere would
            deliver; None if it cannot be read.
        versions: of the distributions that decide what it writes.
        code: the digest of its code.
    """

    parameters: dict[str, JsonValue]
    data: dict[str, str | None]
    versions: dict[str, str]
    code: str


class Entries:
    """The entries of a project's cells."""

    def __init__(self, params: Params, code: Code, digests: Digests) -> None:
        self._params, self._code, self._digests = params, code, digests

    def all(self) -> dict[str, Entry]:
        """Every cell's entry, by the cell's address."""
        return {cell.address: self.of(cell) for cell in grid.cells(self._params)}

    def of(self, cell: Cell) -> Entry:
        """What decides one cell."""
        describe: Callable[[Cell], Entry] = getattr(self, f"_{cell.stage}")
        return describe(cell)

    def _fetch(self, cell: Cell) -> Entry:
        model = self._model(cell)
        source, exporter = _member("source", model.source_kind), _exporter(model)
        parameters = {
            **_chosen(model, "source", "sha256", "allow"),
            "wanted": list(fetch.patterns(model)),
            "weights": [list(together) for together in exporter.weights(model)],
            "delivers": self._delivers(model),
        }
        elsewhere = {field: data for field, data in model.data.items() if data.kind}
        return self._entry(
            "fetch",
            parameters,
            members=(source, *(_member("source", data.kind) for data in elsewhere.values())),
            data=self._data(model, *elsewhere),
        )

    def _export(self, cell: Cell) -> Entry:
        model = self._model(cell)
        exporter, task = _exporter(model), _task(model)
        return self._entry(
            "export",
            _made_of(model) | _chosen(model, "task", "allow") | _around(model) | _options(model),
            members=(exporter, task),
            distributions=(*exporter.TOOLCHAIN, *task.TOOLCHAIN, *_libraries(model)),
        )

    def _calibration(self, cell: Cell) -> Entry:
        return self._of_inputs("calibration", cell, data=("calibration",))

    def _reference(self, cell: Cell) -> Entry:
        model = self._model(cell)
        return self._of_inputs(
            "reference",
            cell,
            parameters=_made_of(model),
            data=("validation",),
            members=(_exporter(model),),
            distributions=_runs_with(model),
        )

    def _quantize(self, cell: Cell) -> Entry:
        variant = self._variant(cell)
        precision = _member("precision", variant.precision)
        options = precision.Options.from_dict(self._params.options(variant))
        parameters = {"precision": variant.precision, "options": options.to_dict()}
        if precision.NEEDS_CALIBRATION:
            # Others do not look at it, so it is no dependency in dvc.yaml, and decides here.
            calibration = self._calibration(Cell("calibration", cell.model))
            parameters["calibration"] = _digest(calibration)
        return self._entry(
            "quantize", parameters, members=(precision,), distributions=precision.TOOLCHAIN
        )

    def _validate(self, cell: Cell) -> Entry:
        model = self._model(cell)
        task = _task(model)
        metrics = [_member("metric", name) for name in model.metrics]
        own = [name for metric in metrics for name in metric.TOOLCHAIN]
        return self._entry(
            "validate",
            _chosen(model, "task", "metrics") | {"device": self._params.validation.device},
            members=(task, *metrics),
            distributions=(*RUNTIME, *_CIDS, *_FIGURES, *task.JUDGED_WITH, *own),
        )

    def _benchmark(self, cell: Cell) -> Entry:
        model, spec = self._model(cell), self._params.benchmark
        known, wanted = _task(model).Sizes, sizes.of(self._params, model)
        measured = {
            "seconds": spec.seconds,
            "rounds": spec.rounds,
            "sizes": [known.from_dict(size).to_dict() for size in wanted],
        }
        return self._of_inputs(
            "benchmark",
            cell,
            parameters=_made_of(model) | {"device": cell.device, "benchmark": measured},
            members=(_exporter(model),),
            distributions=(*_runs_with(model), *RUNTIME, *_CIDS),
        )

    def _package(self, cell: Cell) -> Entry:
        variant = self._variant(cell)
        must = bounds.of(self._params, variant)
        parameters = {"gate": {name: str(bound) for name, bound in must.items()}}
        parameters |= {"own": sorted(variant.gate)} | _chosen(self._model(cell), "format", "task")
        return self._entry("package", parameters, distributions=_CIDS)

    def _catalog(self, cell: Cell) -> Entry:
        names = {"variants": list(self._params.variants), "devices": list(self._params.devices)}
        return self._entry("catalog", names)

    def _release(self, cell: Cell) -> Entry:
        return self._entry("release", {})

    def _of_inputs(
        self,
        stage: str,
        cell: Cell,
        *,
        data: Collection[str] = (),
        parameters: dict[str, Any] | None = None,
        members: Iterable[Any] = (),
        distributions: Iterable[str] = (),
    ) -> Entry:
        """The entry of a cell that makes inputs of a data set, in the task's own way."""
        model = self._model(cell)
        task, exporter = _task(model), _exporter(model)
        asked = [exporter] if hasattr(exporter, "inputs") else []
        return self._entry(
            stage,
            _chosen(model, "task", "allow", "format", "files", "inputs")
            | _around(model)
            | _options(model)
            | _read_as(model, *data)
            | (parameters or {}),
            members=dict.fromkeys((task, *asked, *members)),
            data=self._data(model, *data),
            distributions=(*task.TOOLCHAIN, *distributions),
        )

    def _entry(
        self,
        stage: str,
        parameters: dict[str, Any],
        *,
        members: Iterable[Any] = (),
        data: dict[str, str | None] | None = None,
        distributions: Iterable[str] = (),
    ) -> Entry:
        names = [member.__name__ for member in members]
        return Entry(
            parameters=parameters,
            data=data or {},
            versions=versions({*distributions}),
            code=self._code.digest([f"stages.{stage}", *names]),
        )

    def _model(self, cell: Cell) -> Model:
        return self._params.model(cell.model)

    def _variant(self, cell: Cell) -> Variant:
        return self._params.variant(cell.variant)

    def _data(self, model: Model, *fields: str) -> dict[str, str | None]:
        """The digest of each data set that there is."""
        return {f: self._digest_of(data) for f, data in model.data.items() if f in fields}

    def _digest_of(self, data: Data) -> str | None:
        try:
            if not data.kind:
                return self._digests.of(Path(data.place))
            source, wanted = _member("source", data.kind), fetch.wanted_of(data)
            delivers = source.fingerprint(data.location, wanted, self._digests.sha256)
        except (PipelineError, OSError):  # who wants to read it says why
            return None
        return f"{data.place}: {delivers}"

    def _delivers(self, model: Model) -> str:
        """What the source would deliver now; or why it would not, which `fetch` says too."""
        source = _member("source", model.source_kind)
        wanted, sha256 = fetch.wanted_by(model), self._digests.sha256
        try:
            return str(source.fingerprint(model.source_location, wanted, sha256))
        except (PipelineError, OSError) as e:
            return f"nothing: {e}"


def plan(params: Params, layout: Layout) -> dict[str, Entry]:
    """What decides each cell now, by the cell's address."""
    memory = Memory(layout.remembered)
    entries = Entries(params, code(memory), Digests(memory)).all()
    memory.save(layout.work)
    return entries


def code(memory: Memory) -> Code:
    """The modules that cells may consist of: ours, and the user's own kinds."""
    import pipeline
    import stages

    packages = {module.__name__: list(map(Path, module.__path__)) for module in (pipeline, stages)}
    return Code(modules(packages | kinds.folders()), memory)


def _member(family: str, name: str) -> Any:
    return kinds.load(family, name)


def _exporter(model: Model) -> Any:
    return _member("format", model.format)


def _task(model: Model) -> Any:
    return _member("task", model.task)


def _runs_with(model: Model) -> tuple[str, ...]:
    """The distributions that decide what the original gives."""
    return (*_exporter(model).RUNS_WITH, *_task(model).RUNS_WITH, *_libraries(model))


def _made_of(model: Model) -> dict[str, Any]:
    """What decides the model's networks, and the digests of the modules that its factory runs."""
    files = factory.code(model.factory).files
    modules = {name: spelt(file, name) for name, file in files.items() if file.is_file()}
    return _chosen(model, *_MADE_OF) | ({"modules": modules} if modules else {})


def _libraries(model: Model) -> list[str]:
    """The distributions that the model's factory imports."""
    tops = factory.code(model.factory).libraries
    return [name for top in tops for name in imports.distributions(top)]


def _chosen(model: Model, *fields: str) -> dict[str, Any]:
    """Some fields of a model's entry, as JSON types."""
    entry = model.to_dict()
    return {field: entry[field] for field in fields}


def _around(model: Model) -> dict[str, Any]:
    """What is put around the networks, if anything is, as JSON types."""
    return {k: v for k, v in _chosen(model, "shapes", "preprocess").items() if v is not None}


def _read_as(model: Model, *fields: str) -> dict[str, Any]:
    """What is taken of each data set, as JSON types."""
    sets = {field: data for field, data in model.data.items() if field in fields}
    return {field: {"columns": data.columns, "first": data.first} for field, data in sets.items()}


def _options(model: Model) -> dict[str, Any]:
    """The task's options with its defaults."""
    return {"options": _task(model).Options.from_dict(model.options).to_dict()}


def _digest(entry: Entry) -> str:
    return hashlib.sha256(to_json(entry.to_dict()).encode()).hexdigest()
