"""One tree of errors; each says in one line what was wrong, which value, and what would be right.

    PipelineError
        SpecError               params.yaml (or a command's argument) is not what it must be
        RefusedError            what the same bytes, parameters and toolchain would refuse again
            UnfitError          the files of a source will not do
            ExportError         a source cannot become IR
            PrecisionError      an IR cannot become the precision that was asked for
            DataError           a data set does not fit, or outputs that cannot be measured
            LibraryError        a library gave up over what it was given
            GateError           an artifact does not meet its gate
        SourceError             a model's files cannot be had, or are not the pinned ones
        EvidenceError           a record cannot be read
        DeviceError             a device that is not there
        SandboxError            a child process failed, hung or ran out of memory
            CrashError          a library in it crashed
        LockedError             another process builds the same output
        ToolError               git or DVC is not there, failed or hung
        ContentError            UnixFS, CAR and CIDs: what was given is malformed or not supported
            MissingBlockError   a block that the DAG needs is not there
            IntegrityError      bytes that do not match their hash
            BudgetError         more depth, nodes or bytes than was allowed
        TransferError           a server cannot be reached, is too slow, or sends too much
        PinError                a pinning target refused, failed or lied

The library raises these; only :func:`pipeline.host.terminal.command` turns them into exit codes.
"""

from typing import Any


class PipelineError(Exception):
    """Anything this project refuses, in one line fit for a terminal."""


class SpecError(PipelineError):
    """params.yaml, or an argument, is not what it must be."""


class RefusedError(PipelineError):
    """What the same bytes, parameters and toolchain would refuse again.

    A stage that raises it has come to a result: it is kept as its output (`pipeline.refusal`).

    Attributes:
        facts: what else was found, as JSON types.
    """

    def __init__(self, reason: str, *, facts: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.facts = facts or {}


class UnfitError(RefusedError):
    """The files of a source will not do."""


class ExportError(RefusedError):
    """A source cannot become IR."""


class PrecisionError(RefusedError):
    """An IR cannot become the precision that was asked for."""


class DataError(RefusedError):
    """A data set that does not fit, or outputs that cannot be measured."""


class LibraryError(RefusedError):
    """A library gave up over what it was given, with an exception of its own."""


class GateError(RefusedError):
    """An artifact does not meet its gate."""


class SourceError(PipelineError):
    """A model's files cannot be had, or are not the pinned ones."""


class EvidenceError(PipelineError):
    """A record cannot be read."""


class DeviceError(PipelineError):
    """A device that OpenVINO does not offer on this machine."""


class SandboxError(PipelineError):
    """A child process failed, hung or ran out of memory."""


class CrashError(SandboxError):
    """A library in a child process crashed: a signal that the kernel sends for such faults."""


class LockedError(PipelineError):
    """Another process builds the same output."""


class ToolError(PipelineError):
    """Git or DVC is not there, failed or hung."""


class ContentError(PipelineError):
    """UnixFS, CAR or CID data that is malformed or not supported."""


class MissingBlockError(ContentError):
    """A block that the DAG needs is not there."""


class IntegrityError(ContentError):
    """Bytes that do not match their hash."""


class BudgetError(ContentError):
    """More depth, nodes or bytes than was allowed."""


class TransferError(PipelineError):
    """A server cannot be reached, is too slow, or sends too much."""


class PinError(PipelineError):
    """A pinning target refused, failed or lied."""
