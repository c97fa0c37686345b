"""Plain PyTorch and TorchScript: names, figures, and each thing that is wrong in one line."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model

from pipeline import check, factory, formats, kinds, toolchain
from pipeline.errors import ExportError, SpecError
from pipeline.host.digests import Digests, Memory
from pipeline.layout import Layout
from pipeline.networks import ir, tensors
from pipeline.networks.session import Session
from pipeline.spec import Model
from pipeline.steps import _entries as entries
from pipeline.steps import export, fetch, reference
from pipeline.steps._entries import Entries, Entry

INPUTS = {"left": {"shape": [-1, 4]}, "right": {"shape": [-1, 3], "low": -2, "high": 2}}
NETS = """\
import dataclasses

import torch
from torch import nn

from nets.blocks import Head


@dataclasses.dataclass
class Told:
    total: torch.Tensor
    spare: torch.Tensor | None
    both: torch.Tensor


class Three(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = Head()

    def forward(self, left, right, scale: float = 2.0):
        total = self.head(left) * scale + right
        return {"total": total, "sums": (left.sum(-1), right.sum(-1))}


class AsTuple(Three):
    def forward(self, left, right):
        total = self.head(left) + right
        return total, total, left


class AsDataclass(Three):
    def forward(self, left, right):
        return Told(self.head(left) + right, None, self.head(left) * right)


class Branching(Three):
    def forward(self, left, right):
        return self.head(left) + right if left.sum() > 0 else right


class Tied(Three):
    def __init__(self):
        super().__init__()
        self.again = nn.Linear(4, 3, bias=False)
        self.again.weight = self.head.linear.weight

    def forward(self, left, right):
        return self.again(left) + self.head(left) + right


class ByNumpy(Three):
    def forward(self, left, right):
        scale = float(self.head.linear.weight.detach().numpy().max())
        return self.head(left) * scale + right
"""
BLOCKS = """\
from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(self.linear(x)).relu()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with the modules above, as a process sees it that may import them."""
    folder = tmp_path / "project"
    (folder / "nets").mkdir(parents=True)
    (folder / "nets/three.py").write_text(NETS)
    (folder / "nets/blocks.py").write_text(BLOCKS)
    monkeypatch.chdir(folder)
    before, found = list(sys.meta_path), set(sys.modules)
    factory.importable(factory.code("nets.three:Three"))
    yield folder
    sys.meta_path[:] = before
    for name in set(sys.modules) - found:
        if name.partition(".")[0] == "nets":
            del sys.modules[name]


def made(name: str = "Three") -> Any:
    """A module of the project, whose weights are those of a seed."""
    torch.manual_seed(0)
    module = getattr(importlib.import_module("nets.three"), name)()
    module.head.norm.running_var.uniform_(0.5, 2)
    return module.eval()


def entry(source: Path, name: str = "Three", **fields: Any) -> Model:
    given = {"format": "torch", "factory": f"nets.three:{name}"} | fields
    return Model.from_dict(
        {"name": "m", "task": "tensor", "source": f"file:{source}", "inputs": INPUTS} | given
    )


def saved(folder: Path, name: str = "Three") -> Path:
    """A folder with the state dict of a module."""
    folder.mkdir()
    save_file(made(name).state_dict(), folder / "model.safetensors")
    return folder


def written(model: Model, source: Path, out: Path) -> tuple[Any, dict[str, Any]]:
    """The network of an IR folder, and what the exporter says of it."""
    out.mkdir()
    facts = kinds.load("format", model.format).export(source, model, out)
    return ir.read(out), facts


def names(ports: Any) -> list[set[str]]:
    return [port.names for port in ports]


def outputs(network: Any, inputs: tensors.Tensors) -> dict[str, tensors.Array]:
    return dict(Session(network, execution="f32")(inputs))


FED = {
    "left": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "right": np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3),
}


def test_a_module_of_two_inputs_and_three_outputs_becomes_ir(project: Path, tmp_path: Path) -> None:
    source = saved(tmp_path / "source")
    model = entry(source)

    network, facts = written(model, source, tmp_path / "ir")

    assert names(network.inputs) == [{"left"}, {"right"}]
    assert names(network.outputs) == [{"total"}, {"sums.0"}, {"sums.1"}]
    assert [port.partial_shape.to_string() for port in network.inputs] == ["[?,4]", "[?,3]"]
    operations = {operation.get_friendly_name() for operation in network.get_ordered_ops()}
    assert any(name.startswith("__module.head.linear/aten::linear") for name in operations)
    assert facts["notes"] == []
    original = kinds.load("format", "torch").original(source, model)[ir.MODEL]
    for name, array in outputs(network, FED).items():
        np.testing.assert_allclose(array, original(FED)[name], atol=1e-6)
    whole = made()(*map(torch.from_numpy, FED.values()))
    np.testing.assert_array_equal(original(FED)["total"], whole["total"].detach().numpy())


@pytest.mark.parametrize(
    ("name", "inputs", "wanted"),
    [
        ("AsTuple", INPUTS, ["output_0", "output_1", "output_2"]),
        ("AsDataclass", INPUTS, ["total", "both"]),
        (
            "AsTuple",
            {"a": INPUTS["left"], "b": INPUTS["right"]},
            ["output_0", "output_1", "output_2"],
        ),
    ],
)
def test_inputs_are_named_as_declared_and_outputs_as_the_module_has_them(
    project: Path, tmp_path: Path, name: str, inputs: Mapping[str, Any], wanted: list[str]
) -> None:
    source = saved(tmp_path / "source", name)

    network, _ = written(entry(source, name, inputs=inputs), source, tmp_path / "ir")

    assert names(network.inputs) == [{name} for name in inputs]
    assert names(network.outputs) == [{name} for name in wanted]


def test_what_torch_export_gives_up_is_traced_and_a_note_says_why(
    project: Path, tmp_path: Path
) -> None:
    source = saved(tmp_path / "source", "ByNumpy")

    network, facts = written(entry(source, "ByNumpy"), source, tmp_path / "ir")

    assert names(network.inputs) == [{"left"}, {"right"}]
    assert names(network.outputs) == [{"output"}]
    assert facts["notes"][0].startswith("TorchScript traced it, because of torch.export: ")


def test_a_module_that_branches_on_values_is_refused_with_the_reason_of_either_way(
    project: Path, tmp_path: Path
) -> None:
    source = saved(tmp_path / "source", "Branching")

    with pytest.raises(ExportError) as refused:
        written(entry(source, "Branching"), source, tmp_path / "ir")

    said = str(refused.value)
    assert "torch.export: Could not guard on data-dependent expression" in said
    assert "torch.jit.trace: a branch depends on values" in said
    assert "\n" not in said


# State dicts


def test_a_checkpoint_of_training_holds_one_state_dict(project: Path, tmp_path: Path) -> None:
    state = made().state_dict()
    (tmp_path / "source").mkdir()
    torch.save({"epoch": 3, "state_dict": state, "loss": [0.1]}, tmp_path / "source/net.pt")
    model = entry(tmp_path / "source/net.pt", allow=["pickle"])

    network, _ = written(model, tmp_path / "source", tmp_path / "ir")

    wanted = made()(*map(torch.from_numpy, FED.values()))["total"].detach().numpy()
    np.testing.assert_allclose(outputs(network, FED)["total"], wanted, atol=1e-6)


def test_weights_that_are_tied_are_saved_once(project: Path, tmp_path: Path) -> None:
    tied = made("Tied")
    (tmp_path / "source").mkdir()
    save_model(tied, str(tmp_path / "source/model.safetensors"))

    network, _ = written(entry(tmp_path / "source", "Tied"), tmp_path / "source", tmp_path / "ir")

    wanted = tied(*tensors_of(FED)).detach().numpy()
    np.testing.assert_allclose(outputs(network, FED)["output"], wanted, atol=1e-6)


def without(state: dict[str, Any]) -> None:
    del state["head.linear.weight"]


def with_more(state: dict[str, Any]) -> None:
    state["tail.weight"] = torch.ones(2)


def of_another_shape(state: dict[str, Any]) -> None:
    state["head.linear.weight"] = torch.ones(3, 5)


def with_nan(state: dict[str, Any]) -> None:
    state["head.linear.bias"] = torch.full((3,), torch.nan)


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (without, "lacks 'head.linear.weight': want the state dict of what nets.three:Three makes"),
        (with_more, "has 'tail.weight' beyond it: want the state dict of"),
        (of_another_shape, r"lacks 'head.linear.weight' of shape \(3, 4\) \(it has \(3, 5\)\): "),
        (with_nan, "tensor 'head.linear.bias' holds NaN or infinity"),
    ],
)
def test_a_state_dict_of_another_module_is_refused_and_nothing_is_random(
    project: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], None], wanted: str
) -> None:
    state = made().state_dict()
    damage(state)
    (tmp_path / "source").mkdir()
    save_file(state, tmp_path / "source/model.safetensors")

    with pytest.raises(ExportError, match=wanted):
        written(entry(tmp_path / "source"), tmp_path / "source", tmp_path / "ir")


@pytest.mark.parametrize(
    ("save", "wanted"),
    [
        (torch.save, "pickled objects, of which none is loaded .it names nets.three.AsTuple.: "),
        (
            lambda module, path: torch.jit.save(torch.jit.trace(module, tuple(tensors_of(FED)),
                                                                strict=False), path),
            "a TorchScript archive, which is its own module: want no factory, or a state dict",
        ),
        (lambda module, path: torch.save([1], path), "list: want one state dict"),
        (lambda module, path: path.write_bytes(b"hello" * 9), "no file of torch.save"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_state_dict_is_told(
    project: Path, tmp_path: Path, save: Callable[[Any, Path], None], wanted: str
) -> None:
    (tmp_path / "source").mkdir()
    save(made("AsTuple"), tmp_path / "source/net.pt")
    model = entry(tmp_path / "source/net.pt", allow=["pickle"])

    with pytest.raises(ExportError, match=wanted):
        written(model, tmp_path / "source", tmp_path / "ir")


def tensors_of(inputs: tensors.Tensors) -> Iterator[torch.Tensor]:
    yield from map(torch.from_numpy, inputs.values())


# Factories


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("nets.three", "factory: 'nets.three': want MODULE:FUNCTION, as nets.lite0:make"),
        ("nowhere.at:all", "factory: 'nowhere.at:all': no module 'nowhere' in the project or"),
        ("nets.four:Three", "no module 'nets.four' in the project: want nets/four.py"),
    ],
)
def test_a_factory_that_cannot_be_found_is_told_before_anything_runs(
    project: Path, given: str, wanted: str
) -> None:
    with pytest.raises(SpecError, match=wanted):
        factory.check(given)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("", "factory: 'made:it': module 'made' has no 'it'"),
        ("def it(): return 3", "returns int: want a torch.nn.Module"),
        ("def it(size): pass", r"it\(\) missing 1 required positional argument: 'size'"),
        ("def it():\n    raise KeyError('size')", "made.py:2: it looks for what is not there: 'si"),
        ("import timber", "made.py:1: No module named 'timber' .ModuleNotFoundError."),
        ("def it(:", "made.py, line 1. .SyntaxError."),
        ("it = None", "'NoneType' object is not callable"),
    ],
)
def test_a_factory_that_fails_is_told_in_one_line(
    project: Path, tmp_path: Path, code: str, wanted: str
) -> None:
    (project / "made.py").write_text(code)
    source = saved(tmp_path / "source")
    model = entry(source, factory="made:it")
    factory.importable(factory.code("made:it"))

    try:
        with pytest.raises(ExportError, match=wanted) as refused:
            written(model, source, tmp_path / "ir")
    finally:
        sys.modules.pop("made", None)

    assert "\n" not in str(refused.value)


def test_a_child_runs_the_factory_of_the_project_and_sees_nothing_else_of_it(
    project: Path, tmp_path: Path
) -> None:
    """Fetched, exported and referenced behind walls, as `dvc repro` does it."""
    (project / "secret.txt").write_text("secret")
    (project / "nets/peeking.py").write_text(
        "from nets.three import Three\n\n\ndef make():\n"
        f"    open({str(project / 'secret.txt')!r})\n    return Three()\n"
    )
    source = saved(tmp_path / "source")
    layout, model = Layout(), entry(source)
    peeking = model.model_copy(update={"factory": "nets.peeking:make"})
    fetch.fetch(model, layout)

    exported = export.export(model, layout)
    reference.reference(model, layout)

    assert any(wall.startswith("landlock") for wall in exported.walls)
    assert names(ir.read(layout.export("m")).outputs)[0] == {"total"}
    assert (layout.reference("m") / "reference.json").is_file()
    with pytest.raises(ExportError, match=r"peeking.py:5: .*Permission denied: .*secret.txt"):
        export.export(peeking, layout)


PLAN = """\
models:
  m: {{source: "file:{source}", factory: "nets.three:Three", task: tensor,
      inputs: {{left: {{shape: [-1, 4]}}, right: {{shape: [-1, 3]}}}}}}
precisions: {{fp32: {{}}, int8: {{}}}}
variants: {{m-fp32: {{model: m, precision: fp32}}, m-int8: {{model: m, precision: int8}}}}
devices: [CPU]
"""
CELLS = {"export@m", "reference@m", "benchmark@m-fp32-CPU", "benchmark@m-int8-CPU"}


def test_an_edit_of_the_factory_or_of_what_it_imports_runs_the_network_again_and_nothing_else(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "params.yaml").write_text(PLAN.format(source=saved(tmp_path / "source")))
    (project / "nets/other.py").write_text("from nets.three import Three\n")
    before = planned(project)

    for path, code in (
        ("nets/three.py", NETS.replace("2.0", "3.0")),
        ("nets/blocks.py", BLOCKS.replace("relu", "tanh")),
        ("nets/__init__.py", "import json\n"),
    ):
        was = (project / path).read_text() if (project / path).exists() else None
        (project / path).write_text(code)
        assert changed(before, planned(project)) == CELLS, path
        (project / path).unlink() if was is None else (project / path).write_text(was)

    (project / "nets/three.py").write_text(f'"""A docstring."""\n\n{NETS}')
    (project / "nets/other.py").write_text("other = 1\n")
    assert changed(before, planned(project)) == set()

    (project / "nets/blocks.py").write_text(f"import click\n{BLOCKS}")
    with_click = planned(project)
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "0.0.1" if n == "click" else installed(n))
    monkeypatch.setattr(toolchain, "_version", toolchain._version.__wrapped__)
    assert changed(with_click, planned(project)) == CELLS


def planned(project: Path) -> dict[str, Entry]:
    params = check.load(project / "params.yaml")
    memory = Memory(Path("nowhere"))
    return Entries(params, entries.code(memory), Digests(memory)).all()


def changed(before: dict[str, Entry], after: dict[str, Entry]) -> set[str]:
    return {address for address, entry in after.items() if before[address] != entry}


# TorchScript


def scripted(path: Path, name: str = "AsTuple", *, trace: bool = True) -> Model:
    """The entry of a module that torch.jit.save wrote."""
    path.parent.mkdir()
    module = made(name)
    script = torch.jit.trace(module, tuple(tensors_of(FED))) if trace else torch.jit.script(module)
    torch.jit.save(script, path)
    return entry(path, format="torchscript", factory="", allow=["pickle"])


@pytest.mark.parametrize(("name", "trace"), [("AsTuple", True), ("Branching", False)])
def test_a_script_gives_what_the_plain_module_gives(
    project: Path, tmp_path: Path, name: str, trace: bool
) -> None:
    model = scripted(tmp_path / "source/net.pt", name, trace=trace)

    network, _ = written(model, tmp_path / "source", tmp_path / "ir")

    original = kinds.load("format", "torchscript").original(tmp_path / "source", model)[ir.MODEL]
    assert names(network.inputs) == [{"left"}, {"right"}]
    for fed in ({**FED, "left": FED["left"] - 9}, {**FED, "left": FED["left"] + 9}):
        given = made(name)(*tensors_of(fed))
        plain = given if isinstance(given, tuple) else (given,)
        got, wanted = outputs(network, fed), original(fed)
        for (output, array), tensor in zip(wanted.items(), plain, strict=True):
            np.testing.assert_allclose(got[output], tensor.detach().numpy(), atol=1e-6)
            np.testing.assert_allclose(array, tensor.detach().numpy(), atol=1e-6)


def test_a_state_dict_without_a_factory_and_a_pickled_module_are_told_what_they_lack(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    path = tmp_path / "source/net.pth"
    model = entry(path, format="torchscript", factory="", allow=["pickle"])
    for content, wanted in (
        (made().state_dict(), "net.pth: a state dict, no TorchScript: want factory: MODULE:FUNCT"),
        (made(), "net.pth: pickled objects, .* want a state dict .* and a factory, or torch.jit"),
    ):
        torch.save(content, path)

        with pytest.raises(ExportError, match=wanted):
            kinds.load("format", "torchscript").export(tmp_path / "source", model, tmp_path / "ir")


def test_an_operation_that_does_not_convert_is_named_with_the_model(
    project: Path, tmp_path: Path
) -> None:
    (project / "counting.py").write_text(
        "import torch\n\n\nclass Counting(torch.nn.Module):\n"
        "    def forward(self, left, right):\n"
        "        return torch.histc(left, 5) + right\n"
    )
    factory.importable(factory.code("counting:Counting"))
    import counting  # type: ignore[import-not-found]

    (tmp_path / "source").mkdir()
    script = torch.jit.script(counting.Counting())
    torch.jit.save(script, tmp_path / "source/net.jit")
    model = entry(tmp_path / "source/net.jit", format="torchscript", factory="", allow=["pickle"])

    with pytest.raises(ExportError, match=r"source/net.jit: OpenVINO: .*aten::histc") as refused:
        written(model, tmp_path / "source", tmp_path / "ir")

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"inputs": {}}, r"inputs: missing, .*: want inputs: \{x: \{shape: \[-1, 3, 224, 224\]"),
        ({"factory": ""}, "factory: missing: want MODULE:FUNCTION"),
        ({"format": "torchscript", "factory": "", "inputs": {}}, "inputs: missing"),
        ({"files": "net.tar"}, "files: 'net.tar': want a state dict: "),
        ({"files": {"a": "a.pt", "b": "b.pt"}}, "files: .'a', 'b'.: a factory makes one network"),
    ],
)
def test_an_entry_that_lacks_something_is_told_before_anything_runs(
    project: Path, fields: dict[str, Any], wanted: str
) -> None:
    model = entry(Path("source"), **fields)

    with pytest.raises(SpecError, match=wanted):
        kinds.load("format", model.format).check(model)


@pytest.mark.parametrize(
    ("source", "fields", "wanted"),
    [
        ("file:a/net.pt", {}, "torchscript"),
        ("file:a/net.pt", {"factory": "nets.three:Three"}, "torch"),
        ("file:a/net.safetensors", {"factory": "nets.three:Three"}, "torch"),
    ],
)
def test_the_format_is_found_by_the_factory_and_then_by_the_ending(
    source: str, fields: dict[str, str], wanted: str
) -> None:
    model = Model.from_dict({"name": "m", "task": "tensor", "source": source, **fields})

    assert formats.of(model) == wanted


def test_gguf_is_refused_with_what_to_bring_instead() -> None:
    model = Model.from_dict({"name": "m", "task": "text-generation", "source": "file:a/net.gguf"})

    with pytest.raises(SpecError, match=r"models.m: net.gguf: GGUF is not brought: .*safetensors"):
        formats.of(model)
