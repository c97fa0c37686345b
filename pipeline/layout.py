"""Every path below a project's root, in one place."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of one project; `root` is where params.yaml lies."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        """What to build."""
        return self.root / "params.yaml"

    @property
    def work(self) -> Path:
        """Locks and scratch, on the same file system as the artifacts."""
        return self.root / ".work"

    def log(self, name: str) -> Path:
        """What the child processes of one stage printed."""
        return self.work / "log" / f"{name}.log"

    def failure(self, address: str) -> Path:
        """Why a cell failed in its last run."""
        return self.work / "failed" / address

    @property
    def remembered(self) -> Path:
        """What was worked out of files, as long as they stay as they are."""
        return self.work / "remembered.json"

    @property
    def artifacts(self) -> Path:
        """The parent of every output."""
        return self.root / "artifacts"

    @property
    def host(self) -> Path:
        """What of this machine decides measurements."""
        return self.artifacts / "machine" / "host.json"

    @property
    def plan(self) -> Path:
        """The folder of what decides each cell of the grid."""
        return self.artifacts / "machine" / "plan"

    def entry(self, address: str) -> Path:
        """What decides a cell, by its address: `plan/quantize.minilm-int8.json`."""
        return self.plan / f"{address.replace('@', '.')}.json"

    def source(self, model: str) -> Path:
        """The files of one pinned revision."""
        return self.artifacts / "source" / model

    def source_lock(self, model: str) -> Path:
        """Sizes and hashes of a source's files."""
        return self.artifacts / "source" / f"{model}.lock.json"

    def data(self, model: str) -> Path:
        """The data sets that come from elsewhere, each in a folder, and their locks."""
        return self.artifacts / "data" / model

    def export(self, model: str) -> Path:
        """The IR at the checkpoint's own dtype."""
        return self.artifacts / "export" / model

    def export_provenance(self, model: str) -> Path:
        """How an export was made."""
        return self.artifacts / "export" / f"{model}.provenance.json"

    def calibration(self, model: str) -> Path:
        """The folder of the inputs that full quantization may look at."""
        return self.artifacts / "calibration" / model

    def calibration_mark(self, model: str) -> Path:
        """That calibration is over: for precisions that do not look at what it made."""
        return self.artifacts / "calibration" / f"{model}.done"

    def reference(self, model: str) -> Path:
        """Validation inputs and the original framework's outputs."""
        return self.artifacts / "reference" / model

    def ir(self, variant: str) -> Path:
        """The artifact: the folder that consumers get."""
        return self.artifacts / "ir" / variant

    def provenance(self, variant: str) -> Path:
        """How an artifact's bytes were made."""
        return self.artifacts / "ir" / f"{variant}.provenance.json"

    def accuracy(self, variant: str) -> Path:
        """What validate measured."""
        return self.artifacts / "accuracy" / f"{variant}.json"

    def benchmark(self, variant: str, device: str) -> Path:
        """What benchmark measured on one device."""
        return self.artifacts / "benchmark" / f"{variant}-{device}.json"

    def package(self, variant: str) -> Path:
        """The folder of artifact.json or refused.json."""
        return self.artifacts / "package" / variant

    @property
    def catalog(self) -> Path:
        """The list of artifacts and refusals."""
        return self.artifacts / "catalog.json"

    @property
    def cars(self) -> Path:
        """Where targets of the kind `car` put their files, unless they name a folder."""
        return self.artifacts / "cars"

    def receipt(self, variant: str, target: str) -> Path:
        """The proof that a target holds a variant: of a side effect, so no stage's output."""
        return self.artifacts / "receipts" / target / f"{variant}.json"

    @property
    def report(self) -> Path:
        """Metrics, plots and the table, made from the catalog."""
        return self.artifacts / "report"


def elsewhere(missing: Path = Path()) -> str | None:
    """Where the project is, in a line, if it is not this folder but one that this folder is in.

    Args:
        missing: what was looked for; an absolute path is of another project than this folder's.
    """
    if missing.is_absolute() or Layout().params.exists():
        return None
    for folder in Path.cwd().parents:
        if Layout(folder).params.exists():
            return f"{Layout().params}: not here; it is in {folder}: run this there"
    return None
