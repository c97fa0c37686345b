"""Sound: data sets of it, and the tensors that a model's own feature extractor makes.

A file is decoded by libsndfile, its channels are averaged, and it is resampled to the rate that the
model listens at.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.errors import DataError, ExportError
from pipeline.host.reasons import over
from pipeline.networks.tensors import Array, Tensors
from pipeline.record import Record
from pipeline.spec import Model
from pipeline.tasks import Item

TOOLCHAIN = ("numpy", "scipy", "soundfile", "transformers")
ENDINGS = (".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
_PROCESSOR = "preprocessor_config.json"
_SHORTEST_S, _LONGEST_S = 0.1, 600
_MOST_SAMPLES = _LONGEST_S * 192_000  # of all channels: what an hour of speech does not reach
_RATES = (1_000, 384_000)
_INVENTED_S = (1.0, 4.0)  # how long an invented sound is
_TONES, _LOG_PITCHES_HZ = 3, (math.log(80), math.log(4_000))


class Sizes(Record):
    """What of an input a benchmark may vary.

    Args:
        batch: clips at once.
        seconds: of each; what a feature extractor pads or cuts to one length stays that long.
    """

    batch: int = Field(default=1, ge=1, le=100_000)
    seconds: int = Field(default=10, ge=1, le=_LONGEST_S)


def invent(source: Path, model: Model, options: Any, count: int, seed: int) -> list[Item]:
    """Seeds of sounds without meaning."""
    return [Item(seed * count + number) for number in range(count)]


def encode(
    items: Sequence[Item], source: Path, model: Model, options: Any, *, whole: bool = False
) -> list[Tensors]:
    """What the model's feature extractor makes of each sound, of shape (1, ...).

    Args:
        items: sounds.
        source: the model's repository.
        model: its entry.
        options: the task's.
        whole: whether a sound of which the extractor would cut off the end is refused.

    Raises:
        DataError: a file is no sound, or one that is too short or too long.
    """
    extract = extractor_of(source)
    encoded = []
    for item in items:
        heard = sound(item.input, extract.sampling_rate)
        if whole:
            _check_whole(extract, len(heard), called(item.input))
        encoded.append(_extracted(extract, heard))
    return encoded


def sized(
    source: Path, model: Model, options: Any, sizes: Sizes, *, whole: bool = False
) -> Tensors:
    """Noise as the feature extractor makes it, of shape (batch, ...).

    Raises:
        DataError: the extractor would cut it, and it was to be `whole`.
    """
    extract = extractor_of(source)
    count = sizes.seconds * extract.sampling_rate
    if whole:
        _check_whole(extract, count, "sizes.seconds")
    noise = np.random.default_rng(0).standard_normal(count, dtype=np.float32)
    made = _extracted(extract, noise / 8)
    return {name: np.repeat(array, sizes.batch, axis=0) for name, array in made.items()}


def extractor_of(source: Path) -> Any:
    """A repository's feature extractor, as transformers has it.

    Raises:
        ExportError: it has none that takes sound.
    """
    from transformers import AutoFeatureExtractor

    with over(_PROCESSOR):
        extract = AutoFeatureExtractor.from_pretrained(  # type: ignore[no-untyped-call]
            source, local_files_only=True
        )
    if not hasattr(extract, "sampling_rate"):
        raise ExportError(
            f"{_PROCESSOR}: {type(extract).__name__}: want a feature extractor of sound"
        )
    return extract


def sound(given: Path | tuple[Array, int] | int, rate: int) -> Array:
    """A sound at a rate in Hz, of shape (samples,).

    Args:
        given: a file; samples, of shape (samples,) or (samples, channels), and their rate; or a
            seed that one is made of.
        rate: in Hz.

    Raises:
        DataError: the file is no sound, or it is too short or too long.
    """
    if isinstance(given, int):
        return _invented(given, rate)
    samples, own = _sampled(*given) if isinstance(given, tuple) else _decoded(given)
    mono = samples.mean(axis=1)
    if own != rate:
        from scipy.signal import resample_poly

        common = math.gcd(own, rate)
        mono = resample_poly(mono, rate // common, own // common)
    return np.asarray(mono, np.float32)


def _check_whole(extract: Any, count: int, name: str) -> None:
    most, rate = getattr(extract, "n_samples", count), extract.sampling_rate
    if count > most:
        raise DataError(f"{name}: {count / rate:.3g} s: the model hears {most / rate:g} s at once")


def _extracted(extract: Any, heard: Array) -> Tensors:
    made = extract(heard, sampling_rate=extract.sampling_rate, return_tensors="np")
    return {name: np.asarray(array) for name, array in made.items()}


def _decoded(file: Path) -> tuple[Array, int]:
    """The samples of a file, of shape (samples, channels), and its rate in Hz.

    What a header announces is asked before anything is made room for.
    """
    import soundfile

    try:
        with soundfile.SoundFile(file) as opened:
            rate = opened.samplerate
            _check_length(file.name, opened.frames, opened.channels, rate)
            samples = opened.read(dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as e:
        raise DataError(f"{file.name}: no sound that can be read: {e}") from e
    if len(samples) < _SHORTEST_S * rate or not np.isfinite(samples).all():
        raise DataError(f"{file.name}: no sound that can be read: it ends early, or is not finite")
    return samples, rate


def _sampled(samples: Array, rate: int) -> tuple[Array, int]:
    """Samples as those of a file are."""
    columns = samples.reshape(len(samples), -1)
    _check_length("samples", *columns.shape, rate)
    if not np.isfinite(columns).all():
        raise DataError("samples: not finite: want numbers from -1 to 1")
    return columns, rate


def _check_length(name: str, frames: int, channels: int, rate: int) -> None:
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"{name}: {rate} samples per second: want {_RATES[0]} to {_RATES[1]}")
    too_many = frames * channels > _MOST_SAMPLES
    if too_many or not _SHORTEST_S <= frames / rate <= _LONGEST_S:
        raise DataError(
            f"{name}: {frames / rate:.3g} s in {channels} channels: want {_SHORTEST_S} to "
            f"{_LONGEST_S} s, and at most {_MOST_SAMPLES} samples in all"
        )


def called(given: Any) -> str:
    """A sound as messages name it."""
    return "samples" if isinstance(given, tuple) else str(getattr(given, "name", given))


def _invented(seed: int, rate: int) -> Array:
    """Some tones that come and go, under noise."""
    drawn = np.random.default_rng(seed)
    time = np.arange(int(drawn.uniform(*_INVENTED_S) * rate)) / rate
    made = 0.02 * drawn.standard_normal(len(time))
    for pitch in np.exp(drawn.uniform(*_LOG_PITCHES_HZ, _TONES)):
        swell = np.sin(2 * np.pi * drawn.uniform(0.5, 4) * time + drawn.uniform(0, 6)) ** 2
        made += 0.2 * swell * np.sin(2 * np.pi * pitch * time)
    return made.astype(np.float32)
