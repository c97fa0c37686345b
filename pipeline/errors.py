"""One tree of errors; each says in one line what was wrong, which value, and what would be right.

    PipelineError
        SpecError               params.yaml (or a command's argument) is not what it must be
        SourceError             a model's files cannot be had, or are not the pinned ones
        ExportError             a source cannot become IR
        PrecisionError          an IR cannot become the precision that was asked for
        EvidenceError           a measurement cannot be made, or a record cannot be read
        DeviceError             a device that is not there
        SandboxError            a child process failed, hung or ran out of memory
        RefusedError            an artifact does not meet its gate
        LockedError             another process builds the same output
        ContentError            UnixFS, CAR and CIDs: what was given is malformed or not supported
            MissingBlockError   a block that the DAG needs is not there
            IntegrityError      bytes that do not match their hash
            BudgetError         more depth, nodes or bytes than was allowed
        TransferError           a server cannot be reached, is too slow, or sends too much
        PinError                a pinning target refused, failed or lied

The library raises these; only :func:`pipeline.host.terminal.command` turns them into exit codes.
"""


class PipelineError(Exception):
    """Anything this project refuses, in one line fit for a terminal."""


class SpecError(PipelineError):
    """params.yaml, or an argument, is not what it must be."""


class SourceError(PipelineError):
    """A model's files cannot be had, or are not the pinned ones."""


class ExportError(PipelineError):
    """A source cannot become IR."""


class PrecisionError(PipelineError):
    """An IR cannot become the precision that was asked for."""


class EvidenceError(PipelineError):
    """A measurement cannot be made, or a record cannot be read."""


class DeviceError(PipelineError):
    """A device that OpenVINO does not offer on this machine."""


class SandboxError(PipelineError):
    """A child process failed, hung or ran out of memory."""


class RefusedError(PipelineError):
    """An artifact does not meet its gate."""


class LockedError(PipelineError):
    """Another process builds the same output."""


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
