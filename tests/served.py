"""`bert-base-uncased` as a hub on loopback serves it: its architecture with random weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hub import Hub

MODEL = "bert-base-uncased"
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


class Served(NamedTuple):
    """Where the model is had.

    Args:
        hub: that serves it.
        home: the store into which it is built, once.
    """

    hub: Hub
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be told."""
        return {
            "HF_ENDPOINT": self.hub.url,
            "OVPIPE_HOME": str(self.home),
            "NO_PROXY": "127.0.0.1",
        }

    def reach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this test reach it."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE")


def serve(folder: Path, tokenizer: list[Path], **sizes: int) -> Iterator[Served]:
    """A hub with a BERT of these sizes, or of its real ones."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(**sizes)).save_pretrained(folder / "source")
    paths = [*(folder / "source").iterdir(), *tokenizer]
    with Hub() as hub:
        hub.add(MODEL, {p.name: p.read_bytes() for p in paths}, lfs=["model.safetensors"])
        yield Served(hub, folder / "home")
