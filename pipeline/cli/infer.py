"""ovpipe infer."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli._answers import Answer, answers
from pipeline.errors import SpecError

if TYPE_CHECKING:
    from pipeline.runtime.loaded import Loaded

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHOWN = 6  # numbers of an array, and labels, that a terminal gets


@click.command("infer")
@click.argument("name")
@click.option(
    "--text",
    "texts",
    multiple=True,
    help="A text, each of which is answered. Of a task that takes pairs the first one goes with "
    "each of the others; beside an image they are its labels, or what is asked about it.",
)
@click.option("--image", "images", type=_FILE, multiple=True, help="A picture.")
@click.option("--audio", "sounds", type=_FILE, multiple=True, help="A sound file.")
@click.option("--tensors", type=_FILE, help="Arrays by input name, as numpy.savez writes them.")
@click.option("-d", "--device", default="CPU", show_default=True, help="As GPU.1, or AUTO:GPU,CPU.")
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    help="Of the artifact; auto is the fastest that met its gate.",
)
@answers
def command(
    name: str,
    texts: tuple[str, ...],
    images: tuple[Path, ...],
    sounds: tuple[Path, ...],
    tensors: Path | None,
    device: str,
    precision: str,
) -> Answer:
    """Run NAME: a path, a CID, a variant or a model, or a Hugging Face id.

    Texts, images and sounds are answered as the artifact's task has it, --tensors by the outputs
    of its network.
    """
    from pipeline.runtime import devices
    from pipeline.runtime.loaded import load

    if sum(map(bool, (texts or images, sounds, tensors))) != 1:
        raise click.UsageError("want one of --text, --image (with --text), --audio and --tensors")
    requested = devices.parse(device)
    loaded = load(name, device=str(requested), precision=precision)
    started = time.perf_counter()
    if tensors:
        answered: Any = loaded.infer(_arrays(tensors))
    elif sounds:
        answered = loaded(list(sounds))
    else:
        answered = _answered(loaded, texts, images)
    latency_ms = (time.perf_counter() - started) * 1e3
    running = next(iter(loaded.sessions.values()))
    fields = {
        "name": name,
        "variant": loaded.located.variant,
        "cid": loaded.located.held.cid,
        "why": loaded.located.why,
        "task": loaded.task,
        "device": str(requested),
        "left_out": list(requested.left_out),
        "execution_devices": list(running.execution_devices),
        "execution_precision": running.execution_precision,
        "latency_ms": latency_ms,
        "outputs" if tensors else "answers": _plain(answered),
    }
    return Answer(fields, "\n".join([loaded.located.why, *requested.left_out, *_lines(answered)]))


def _answered(loaded: "Loaded", texts: tuple[str, ...], images: tuple[Path, ...]) -> list[Any]:
    from pipeline import kinds

    if not loaded.task:
        raise SpecError(f"{loaded.located.held.where}: nobody knows its task: want --tensors")
    task = kinds.load("task", loaded.task)
    if images and texts and "template" in task.Resolved.model_fields:
        return loaded(list(images), labels=texts)
    if images and texts:
        return loaded([(image, " ".join(texts)) for image in images])
    if getattr(task, "TEXTS", 1) == 2:
        if len(texts) < 2:
            raise SpecError(f"{loaded.task} takes pairs: want --text twice")
        return loaded([(texts[0], other) for other in texts[1:]])
    return loaded(list(images or texts))


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of a file; what is pickled in one is refused.

    Raises:
        SpecError: it is no such file.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as found:
            return dict(found)
    except (ValueError, TypeError, EOFError) as e:
        raise SpecError(f"{path}: want arrays as numpy.savez writes them: {e}") from e


def _plain(answered: Any) -> Any:
    """An answer in JSON types."""
    if isinstance(answered, dict):
        return {str(key): _plain(value) for key, value in answered.items()}
    if isinstance(answered, list | tuple):
        return [_plain(value) for value in answered]
    return answered.tolist() if hasattr(answered, "tolist") else answered


def _lines(answered: Any) -> list[str]:
    """An answer for a terminal: a line for each item, or for each of its parts."""
    if isinstance(answered, dict) and set(answered) == {"label", "score"}:
        return [f"  {answered['score']:8.4f}  {answered['label']}"]
    if isinstance(answered, dict):
        return [f"{key}: {', '.join(_lines(value))}" for key, value in answered.items()]
    if isinstance(answered, list | tuple):
        return [line for value in answered[:_SHOWN] for line in _lines(value)]
    if hasattr(answered, "shape") and answered.shape:
        first = " ".join(f"{number:.5g}" for number in answered.ravel()[:_SHOWN])
        return [f"{answered.dtype}{list(answered.shape)} {first} ..."]
    return [str(answered)]
