"""Files of torch.save, of which nothing runs that they name."""

import pickle
import re
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError
from pipeline.host import reasons

SAVED = "torch.save(module.state_dict(), ...)"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")  # as torch names what a pickle would have called


def unpickled(path: Path, where: str) -> Any:
    """What a file of torch.save holds, without running anything that it names.

    Raises:
        ExportError: it is none, or holds more than tensors and plain values.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        called = _GLOBAL.search(str(e))
        what = f"it names {called[1]}" if called else reasons.said(e)
        raise ExportError(
            f"{where}: pickled objects, of which none is loaded ({what}): want a state dict "
            f"({SAVED}) and a factory, or torch.jit.save"
        ) from e
    except RuntimeError as e:
        if "TorchScript" not in str(e):
            raise ExportError(f"{where}: no file of torch.save: {reasons.said(e)}") from e
        raise ExportError(
            f"{where}: a TorchScript archive, which is its own module: want no factory, or a state "
            f"dict: {SAVED}"
        ) from e
    except (EOFError, LookupError, OSError, TypeError, ValueError) as e:
        raise ExportError(f"{where}: no file of torch.save: {reasons.said(e)}") from e
