"""Small models that the writer is tried on; as a program it makes and writes some, in a child.

`python canonical_models.py FOLDER NAME...` writes the named ones in that order, each below FOLDER:
what OpenVINO generates for a model counts what the process made before it.
"""

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from pipeline.networks import canonical, ir, writer

Made = tuple[ov.Model, Collection[str]]  # a model, and the names that its source gave
PROMPT = [5, 17, 3, 99, 42, 8]


def loop(scratch: Path) -> Made:
    """A torch LSTM, and a scripted loop over what it gives: LSTMSequence and Loop."""
    import torch

    torch.manual_seed(0)

    @torch.jit.script
    def steps(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        state = hidden[:, 0]
        for step in range(hidden.size(1)):
            state = torch.tanh(state @ weight + hidden[:, step])
        return state

    class Recurrent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(8, 8, num_layers=2, batch_first=True)
            self.weight = torch.nn.Parameter(torch.randn(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return steps(self.lstm(x)[0], self.weight)  # type: ignore[no-any-return]

    return ov.convert_model(Recurrent().eval(), example_input=torch.zeros(1, 4, 8)), ()


def lstm(scratch: Path) -> Made:
    """An LSTM cell in an ONNX Scan, which is a TensorIterator."""
    from onnx import helper

    state, gates = [1, 8], [32, 8]
    cell = helper.make_node(
        "LSTM", ["x_s", "W", "R", "", "", "h_s", "c_s"], ["", "h_n", "c_n"],
        name="LSTM_7", hidden_size=8,
    )  # fmt: skip
    nodes = [
        helper.make_node("Unsqueeze", ["x_t", "axis"], ["x_s"], name="Unsqueeze_1"),
        helper.make_node("Unsqueeze", ["h", "axis"], ["h_s"], name=""),
        helper.make_node("Unsqueeze", ["c", "axis"], ["c_s"], name=""),
        cell,
        helper.make_node("Squeeze", ["h_n", "axis"], ["h_next"], name="Squeeze_1"),
        helper.make_node("Squeeze", ["c_n", "axis"], ["c_next"], name=""),
        helper.make_node("Identity", ["h_next"], ["y_t"], name=""),
    ]
    weights = [_weights("W", 1, *gates), _weights("R", 1, *gates), _array("axis", np.array([0]))]
    body = helper.make_graph(
        nodes, "step", _floats(state, "h", "c", "x_t"), _floats(state, "h_next", "c_next", "y_t"),
        weights,
    )  # fmt: skip
    scan = helper.make_node(
        "Scan", ["h0", "c0", "x"], ["h_last", "c_last", "y"], name="Scan_1", body=body,
        num_scan_inputs=1,
    )  # fmt: skip
    return _from_onnx(
        scratch / "lstm.onnx",
        [scan],
        _floats(state, "h0", "c0") + _floats([4, 1, 8], "x"),
        _floats(state, "h_last", "c_last") + _floats([4, 1, 8], "y"),
    )


def branches(scratch: Path) -> Made:
    """An ONNX with an If whose nodes are named as OpenVINO names what has no name."""
    from onnx import helper

    def branch(kind: str, out: str) -> Any:
        nodes = [
            helper.make_node("MatMul", ["hidden", f"{kind}_w"], [f"{kind}_mm"], name="MatMul_12"),
            helper.make_node(kind, [f"{kind}_mm"], [out], name=""),
        ]
        return helper.make_graph(
            nodes, kind, [], _floats(["n", 8], out), [_weights(f"{kind}_w", 8, 8)]
        )

    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["hidden"], name="MatMul_12"),
        helper.make_node("ReduceMean", ["hidden"], ["mean"], name="", keepdims=0),
        helper.make_node("Greater", ["mean", "zero"], ["Greater_3"], name="Greater_3"),
        helper.make_node(
            "If", ["Greater_3"], ["y"], name="If_0",
            then_branch=branch("Relu", "a"), else_branch=branch("Sigmoid", "b"),
        ),
    ]  # fmt: skip
    weights = [_weights("w", 8, 8), _array("zero", np.float32(0))]
    return _from_onnx(
        scratch / "branches.onnx", nodes, _floats(["n", 8], "x"), _floats(["n", 8], "y"), weights
    )


def whisper(scratch: Path) -> Made:
    """The stateful decoder of a Whisper."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=128, num_mel_bins=8, d_model=16, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_target_positions=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1, begin_suppress_tokens=None,
    )  # fmt: skip
    network = WhisperForConditionalGeneration(config).eval()
    _export(network, "automatic-speech-recognition-with-past", scratch)
    return ir.read(scratch, "openvino_decoder_model"), ()


def llama_network(**changes: Any) -> Any:
    """A two-layer Llama with random weights (seeded), strong enough not to repeat one token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.2, **changes,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def llama(scratch: Path) -> Made:
    """A stateful Llama."""
    _export(llama_network(), "text-generation-with-past", scratch)
    return ir.read(scratch), ()


def llama_int8(scratch: Path) -> Made:
    """The Llama at int8 weights."""
    return _compressed(scratch, mode="int8_sym")


def llama_int4(scratch: Path) -> Made:
    """The Llama at int4 weights, in part."""
    return _compressed(scratch, mode="int4_sym", group_size=32, ratio=0.8)


def perceptron(scratch: Path) -> Made:
    """A convolution and three linear layers."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(8 * 36, 32), torch.nn.ReLU(), torch.nn.Linear(32, 32), torch.nn.ReLU(),
        torch.nn.Linear(32, 4),
    )  # fmt: skip
    return ov.convert_model(network.eval(), example_input=torch.zeros(1, 3, 8, 8)), ()


def perceptron_ptq(scratch: Path, **options: Any) -> Made:
    """The perceptron at int8, weights and activations."""
    import nncf

    source = written(perceptron, scratch / "source")
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(8)]
    model = nncf.quantize(ir.read(source), nncf.Dataset(samples), subset_size=8, **options)
    return model, canonical.names(ir.read(source))


MODELS: dict[str, Callable[[Path], Made]] = {
    make.__name__: make
    for make in (loop, lstm, branches, whisper, llama, llama_int8, llama_int4, perceptron_ptq)
}


def written(make: Callable[[Path], Made], folder: Path) -> Path:
    """A folder with what was made as canonical IR; what it is made from lies below `scratch`."""
    (folder / "scratch").mkdir(parents=True)
    model, keep = make(folder / "scratch")
    writer.write(model, folder, keep=keep)
    return folder


def onnx_names(path: Path) -> frozenset[str]:
    """The names of all nodes and of what they give, in the graphs within graphs too."""
    import onnx

    def of(graph: Any) -> set[str]:
        found = {name for node in graph.node for name in (node.name, *node.output)}
        inner = [attribute.g for node in graph.node for attribute in node.attribute]
        return found.union(*(of(graph) for graph in inner))

    return frozenset(of(onnx.load(path).graph)) - {""}


def _export(network: Any, task: str, folder: Path) -> None:
    from optimum.exporters.openvino import export_from_model

    export_from_model(network, folder, task=task)


def _compressed(scratch: Path, mode: str, **options: Any) -> Made:
    import nncf

    source = written(llama, scratch / "source")
    model = nncf.compress_weights(ir.read(source), mode=nncf.CompressWeightsMode(mode), **options)
    return model, canonical.names(ir.read(source))


def _floats(shape: list[int] | list[str | int], *names: str) -> list[Any]:
    from onnx import TensorProto, helper

    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]


def _weights(name: str, *shape: int) -> Any:
    rng = np.random.default_rng(len(name))
    return _array(name, rng.standard_normal(shape).astype(np.float32))


def _array(name: str, values: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(values, name)


def _from_onnx(path: Path, nodes: Any, inputs: Any, outputs: Any, weights: Any = ()) -> Made:
    import onnx
    from onnx import helper

    graph = helper.make_graph(nodes, path.stem, inputs, outputs, weights)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return ov.convert_model(path), onnx_names(path)


if __name__ == "__main__":
    for place, name in enumerate(sys.argv[2:]):
        written(MODELS[name], Path(sys.argv[1]) / f"{place}-{name}")
