"""A model that names what lies outside, or brings code: it gets nowhere.

In a plain process, as `from_pretrained` has it, the same model reads and does all that it tries.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import probes
import pytest
from ordinary import NEEDS_LANDLOCK, namespaces_are_allowed
from safetensors import safe_open

from pipeline.errors import ExportError, LibraryError, PipelineError, UnfitError
from pipeline.host import atomic, walls
from pipeline.host.sandbox import Access, run
from pipeline.layout import Layout
from pipeline.provenance import Exported
from pipeline.spec import Model
from pipeline.steps.export import export
from pipeline.steps.fetch import fetch

pytestmark = NEEDS_LANDLOCK
SECRET = "onlyelsewhere"  # noqa: S105 - a word
CODE = """

from transformers import BertModel


class ProbingModel(BertModel):
    pass


_TARGET = {target!r}
print("PROBED " + json.dumps(dict(attempt(_TARGET), environment=dict(os.environ))), flush=True)
leave_a_process(_TARGET["heartbeat"])
"""


@pytest.fixture
def repository(tiny_bert: Path, tmp_path: Path, target: dict[str, Any]) -> Path:
    """A model whose code probes; what it finds it prints."""
    folder = tmp_path / "repository"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_probe.ProbingModel"}
    (folder / "config.json").write_text(json.dumps(config))
    source = Path(probes.__file__).read_text().partition("if __name__")[0]
    (folder / "modeling_probe.py").write_text(source + CODE.format(target=target))
    return folder


def entry(folder: Path, **changed: Any) -> Model:
    fields = {
        "name": "probing", "source": f"file:{folder}", "format": "transformers",
        "task": "feature-extraction", "options": {}, "allow": ("remote_code",),
        "calibration": "calibration.txt", "validation": "validation.tsv",
    }  # fmt: skip
    return Model(**{**fields, **changed})


def fetched(folder: Path, layout: Layout) -> Model:
    """The model's entry with the digest that fetch asks for, fetched."""
    with pytest.raises(UnfitError, match="wants the folder's digest beside it") as asked:
        fetch(entry(folder), layout)
    model = entry(folder, sha256=str(asked.value).rpartition(" ")[2])
    fetch(model, layout)
    return model


@pytest.fixture
def thief(tiny_bert: Path, tmp_path: Path) -> Path:
    """A model whose vocabulary and weights lie elsewhere."""
    folder, elsewhere = tmp_path / "thief", tmp_path / "elsewhere"
    shutil.copytree(tiny_bert, folder)
    elsewhere.mkdir()
    (elsewhere / "words").write_text(
        "\n".join(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", SECRET])
    )
    (folder / "tokenizer.json").unlink()
    config = {"tokenizer_class": "BertTokenizer", "vocab_file": str(elsewhere / "words")}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with safe_open(folder / "model.safetensors", "np") as tensors:
        shards = dict.fromkeys(tensors.keys(), "../elsewhere/weights.safetensors")
    (folder / "model.safetensors").rename(elsewhere / "weights.safetensors")
    index = {"metadata": {}, "weight_map": shards}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.soak
@pytest.mark.parametrize("what", ["vocabulary", "weights"])
def test_the_second_wall_alone_keeps_a_parser_from_what_lies_elsewhere(
    what: str, thief: Path, tmp_path: Path
) -> None:
    """The first one is not there: the parser sees the folder itself."""
    scratch = atomic.folder(tmp_path / "scratch")
    place = {"scratch": scratch, "log": tmp_path / "log"}

    stolen = getattr(probes, what)(str(thief))

    assert SECRET in stolen or "embeddings.word_embeddings.weight" in stolen
    with pytest.raises(LibraryError, match=r"Permission denied|not .*found|does not exist|No such"):
        run(f"probes:{what}", str(thief), returns=list[str], access=Access(reads=(thief,)), **place)


def test_weights_from_elsewhere_are_no_weights(thief: Path, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "project")

    with pytest.raises(UnfitError, match=r"no weights: want model\.safetensors"):
        fetch(entry(thief, allow=()), layout)

    assert not layout.source("probing").exists()


@pytest.mark.parametrize("kept", ["weights", "vocabulary"])
def test_a_model_that_needs_what_lies_elsewhere_is_refused_by_name(
    kept: str, thief: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "project")
    if kept == "weights":
        shutil.copyfile(tiny_bert / "model.safetensors", thief / "model.safetensors")
        named = r"^tokenizer_config\.json: vocab_file: '/.*words': not in the source"
    else:
        (thief / "vocab.txt").write_text("[UNK]\n")
        (thief / "model-00001-of-00002.safetensors").write_bytes(b"\2" + bytes(7) + b"{}")
        named = r"^model\.safetensors\.index\.json: weight_map: '\.\./elsewhere/weights.*: not in"
    model = entry(thief, allow=())
    fetch(model, layout)

    with pytest.raises(ExportError, match=named):
        export(model, layout)

    assert not layout.export("probing").exists()


def probed(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """How each probe ended, and the environment that was seen."""
    line = next(line for line in text.splitlines() if "PROBED " in line)
    ended = json.loads(line.partition("PROBED ")[2])
    return ended, ended.pop("environment")


def beats(target: dict[str, Any]) -> bool:
    """Whether what was left behind still writes."""
    heartbeat = Path(target["heartbeat"])
    if not heartbeat.exists():
        return False
    last = heartbeat.read_text()
    time.sleep(6 * probes.HEARTBEAT_S)
    return heartbeat.read_text() != last


@pytest.mark.soak
def test_code_of_a_model_runs_and_reaches_nothing_that_it_reaches_elsewhere(
    repository: Path, target: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@host")
    layout = Layout(tmp_path / "project")
    plain = (
        "import sys, transformers\n"
        "transformers.AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)"
    )

    elsewhere = subprocess.run(
        [sys.executable, "-c", plain, repository],
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert elsewhere.returncode == 0, elsewhere.stderr
    before, seen_before = probed(elsewhere.stdout)
    left_before = beats(target)
    subprocess.run(["pkill", "-f", str(repository)], check=False, timeout=10)
    Path(target["mine"]).write_text("mine")
    Path(target["heartbeat"]).unlink()
    Path(target["mine"]).chmod(0o644)

    model = fetched(repository, layout)
    export(model, layout)
    after, seen_after = probed(layout.log("export-probing").read_text())

    unable = set() if namespaces_are_allowed() else {"make_namespaces"}
    assert {name for name, ended in before.items() if ended != "done"} <= unable
    assert {name: ended for name, ended in after.items() if ended == "done"} == {}
    assert (left_before, beats(target)) == (True, False)
    assert ("DATABASE_URL" in seen_before, "DATABASE_URL" in seen_after) == (True, False)
    assert Path(target["mine"]).read_text() == "mine"
    record = Exported.read(layout.export_provenance("probing"))
    assert walls.suffice(record.walls)


def test_without_leave_a_model_s_code_does_not_run(repository: Path, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "project")
    model = entry(repository, allow=())
    fetch(model, layout)

    export(model, layout)  # as the class of transformers that config.json names

    assert not (layout.source("probing") / "modeling_probe.py").exists()
    assert "PROBED" not in layout.log("export-probing").read_text()


@pytest.mark.soak
def test_code_that_lies_about_its_results_is_refused_in_one_line(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "modeling_probe.py").write_text(
        "import json\n"
        "from transformers import BertModel\n\n\n"
        "class ProbingModel(BertModel):\n    pass\n\n\n"
        'json.dumps = lambda *_, **__: \'{"result": {"notes": ["\\\\u001b[2J"]}}\'\n'
    )
    layout = Layout(tmp_path / "project")
    model = fetched(repository, layout)

    with pytest.raises(PipelineError) as raised:
        export(model, layout)

    assert all(line.isprintable() for line in str(raised.value).splitlines())
    assert not layout.export("probing").exists()
