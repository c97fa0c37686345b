"""Pictures, sounds and texts that go on, through the backend: the typed API's own answers."""

from pathlib import Path
from typing import Any

import audible
import numpy as np
import pytest
import soundfile
from built import Built, model_of
from pictures import SIDE, vit
from PIL import Image
from test_generation import bring, gpt2

from ipfs_accelerate_py.hardware.backends.openvino_backend import OpenVINOBackend
from pipeline.runtime.loaded import Loaded
from pipeline.runtime.names import locate

pytestmark = pytest.mark.soak
RATE = 22_050


def ran(artifact: Path, content: Any, **config: Any) -> dict[str, Any]:
    """A run at fp32 execution."""
    backend = OpenVINOBackend()
    loaded = backend.load_model(str(artifact), {"precision": "auto", "mixed_precision": True,
        "mixed_precision_config": {"precision_config": {"default": "FP32"}}})  # fmt: skip
    assert loaded["status"] == "success", loaded
    answer: dict[str, Any] = backend.run_inference(str(artifact), content, config)
    return answer


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of random weights."""
    folder = tmp_path_factory.mktemp("seen")
    vit(folder / "source")
    model = model_of("image-classification", f"file:{folder / 'source'}", "none")
    return Built(model, folder / "source", folder).folder


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HuBERT of random weights that tells sounds apart."""
    folder = tmp_path_factory.mktemp("heard")
    audible.hubert_classifier(folder / "source")
    model = model_of("audio-classification", f"file:{folder / 'source'}", "none")
    return Built(model, folder / "source", folder).folder


def test_a_picture_is_the_same_as_an_array_a_path_and_of_pillow(seen: Path, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    picture = Image.fromarray(drawn)
    picture.save(tmp_path / "picture.png")

    runs = [
        ran(seen, given, model_type="vision", normalize=True)
        for given in ({"image": drawn}, picture, str(tmp_path / "picture.png"), drawn[None])
    ]

    wanted = Loaded(locate(str(seen)), execution="f32")(drawn)
    assert all(run["status"] == "success" for run in runs), runs
    assert all(run["results"] == wanted for run in runs)
    assert runs[0]["notes"] == ["normalize: a picture is prepared as the artifact says"]


def test_a_sound_is_resampled_and_never_made_up(heard: Path, tmp_path: Path) -> None:
    sound = audible.sound("rising", np.random.default_rng(0), RATE).astype(np.float32)
    soundfile.write(tmp_path / "sound.wav", sound, RATE, subtype="FLOAT")

    by_path = ran(heard, {"audio": str(tmp_path / "sound.wav")})
    by_rate = ran(heard, {"audio": sound}, original_sample_rate=RATE, sample_rate=16_000)
    beside = ran(heard, {"audio": sound, "sampling_rate": RATE})
    without, missing = ran(heard, sound), ran(heard, str(tmp_path / "none.wav"))
    shorter = ran(heard, sound[: len(sound) // 2], original_sample_rate=RATE)

    assert by_path["status"] == "success", by_path
    assert by_path["results"] == by_rate["results"] == beside["results"]
    assert shorter["results"] != by_path["results"]
    assert "want their sampling_rate" in without["message"]
    assert missing["status"] == "error"
    assert "none.wav" in missing["message"]


def test_a_text_goes_on_as_far_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # openvino.genai wants an end of the text in the tokenizer, which this one of words lacks.
    monkeypatch.setattr("pipeline.runtime.generation.served", lambda *_: None)
    artifact = bring(gpt2, "text-generation", tmp_path).folder
    text = "a text"

    short = ran(artifact, {"prompt": text}, max_length=2)
    long = ran(artifact, [text, text], max_length=12, num_beams=1, batch_size=1)
    wrong = ran(artifact, text, top_p=3.0)

    assert short["status"] == long["status"] == "success", (short, long)
    assert long["batch_size"] == 2
    assert long["results"][0] == long["results"][1]
    assert long["results"][0].startswith(short["results"][0])
    assert wrong["status"] == "error"
    assert "top_p" in wrong["message"]
