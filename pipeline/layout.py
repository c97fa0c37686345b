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

    @property
    def artifacts(self) -> Path:
        """The parent of every output."""
        return self.root / "artifacts"

    @property
    def toolchain(self) -> Path:
        """The versions that decide bytes."""
        return self.artifacts / "machine" / "toolchain.json"

    @property
    def host(self) -> Path:
        """What of this machine decides measurements."""
        return self.artifacts / "machine" / "host.json"

    @property
    def sources(self) -> Path:
        """What each model's source would deliver."""
        return self.artifacts / "machine" / "sources.json"

    def source(self, model: str) -> Path:
        """The files of one pinned revision."""
        return self.artifacts / "source" / model

    def source_lock(self, model: str) -> Path:
        """Sizes and hashes of a source's files."""
        return self.artifacts / "source" / f"{model}.lock.json"

    def export(self, model: str) -> Path:
        """The IR at the checkpoint's own dtype."""
        return self.artifacts / "export" / model

    def export_provenance(self, model: str) -> Path:
        """How an export was made."""
        return self.artifacts / "export" / f"{model}.provenance.json"

    def calibration(self, model: str) -> Path:
        """Inputs that full quantization may look at."""
        return self.artifacts / "calibration" / f"{model}.npz"

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
