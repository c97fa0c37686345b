"""rt_info: what is taken out is read by nobody, and what is read stays."""

import importlib.util
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from canonical_models import llama_int8, llama_network, written

from pipeline.networks import ir, stamps, writer

CONSUMERS = ("openvino", "openvino_genai", "openvino_tokenizers", "nncf", "optimum")
# What is looked for instead of a key that is a common word: who reads such an entry must name the
# tool. `version` is not looked for: OpenVINO's reader sets it, and no file has it.
TOOLS = {"nncf/version": "nncf", "nncf/*/*seed": "nncf", "optimum/*_version": "optimum"}
# Where removed keys (or their tool) stand in the consumers, and why that reads no stamp.
KNOWN = {
    "openvino/tools/ovc/convert_impl.py": {
        "Runtime_version": "writes it",
        "conversion_parameters": "writes it",
    },
    "openvino/libs/libopenvino.so": {
        "OpenVINO Runtime": "writes it, and describes itself by it",
        "openvino_version": "the function get_openvino_version",
    },
    "openvino/_pyopenvino.so": {"openvino_version": "the function get_openvino_version"},
    "openvino/libs/libopenvino_c.so": {"openvino_version": "the function get_openvino_version"},
    "openvino/libs/libopenvino_intel_gpu_plugin.so": {
        "openvino_version": "the function get_openvino_version",
    },
    "openvino/libs/libopenvino_intel_cpu_plugin.so": {
        "openvino_version": "the function get_openvino_version",
        "conversion_parameters": "writes it, from the meta_data of IR of before 2022",
    },
    "openvino/libs/libopenvino_ir_frontend.so": {
        "conversion_parameters": "writes it, from the meta_data of IR of before 2022",
    },
    "openvino/libs/libopenvino_intel_npu_plugin.so": {
        "nncf": "reads weight_compression/group_size, which stays",
    },
    "openvino_genai/libopenvino_genai.so": {
        "tokenizers_version": "the end of openvino_tokenizers_version, which stays",
    },
    "openvino_tokenizers/constants.py": {"original_tokenizer_class": "the key that it writes"},
    "openvino_tokenizers/utils.py": {"openvino_version": "writes it"},
    "nncf/openvino/rt_info.py": {"nncf": "writes it"},
    "nncf/openvino/graph/model_utils.py": {"nncf": "reads friendly_names_were_updated: stays"},
    "nncf/openvino/graph/model_transformer.py": {"nncf": "copies it from model to model"},
    "nncf/openvino/quantization/quantize_model.py": {"advanced_*parameters": "writes it"},
    "nncf/quantization/quantize_model.py": {"advanced_*parameters": "an argument of its own"},
    "nncf/quantization/algorithms/weight_compression/algorithm.py": {
        "advanced_*parameters": "writes it",
    },
    "optimum/configuration_utils.py": {"transformers_version": "in config.json"},
    "optimum/exporters/openvino/convert.py": {
        "conversion_parameters": "reads it to add a stamp, before the writer",
        "transformers_version": "writes it",
        "optimum": "writes it",
        "nncf": "whether to add a stamp, before the writer",
    },
    "optimum/intel/openvino/configuration.py": {"advanced_*parameters": "an argument of NNCF's"},
    "optimum/intel/openvino/quantization.py": {
        "nncf": "reads weight_compression and quantization, which stay",
        "optimum": "writes nncf_version",
        "advanced_*parameters": "an argument of NNCF's",
    },
    "optimum/intel/openvino/utils.py": {
        "transformers_version": "that of optimum, whose series stays, else in config.json",
        "optimum": "reads transformers_version, whose series stays",
    },
}


def files(ending: str) -> Iterator[tuple[str, Path]]:
    """The consumers' files whose name has an ending, by their path without versions."""
    for package in CONSUMERS:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for path in sorted(Path(folder).rglob(f"*{ending}*")):
                place = Path(package) / path.relative_to(folder)
                name = re.sub(r"(\.cpython-[\w-]+)?\.so(\.\d+)*$", ".so", place.as_posix())
                if name.endswith(ending):
                    yield name, path


def keys() -> set[str]:
    """What to look for: the last part of each path, or the tool that wrote it."""
    paths = set(stamps.STAMPS) - {"version"}
    return {TOOLS.get(path, path.split("/")[-1]) for path in paths}


def in_python(text: str, key: str) -> bool:
    """Whether source quotes a key; of a tool, only on a line about rt_info."""
    quoted = "[\"']" + re.escape(key).replace(r"\*", r"\w*") + "[\"']"
    lines = [line for line in text.splitlines() if re.search(quoted, line)]
    about = [line for line in lines if re.search("rt_(info|path)", line)]
    return bool(about if key in TOOLS.values() else lines)


def in_binary(content: mmap.mmap, key: str) -> bool:
    """Whether a binary has a key as a C string, or in two halves (GCC moves up to 15 bytes so)."""
    name = key.encode()
    half = 4 if len(name) < 8 else 8
    patterns = [re.escape(name).replace(rb"\*", rb"\w*") + b"\0"]
    if half < len(name) < 16:
        patterns.append(re.escape(name[:half]) + b".{1,16}?" + re.escape(name[-half:]))
    elif len(name) == half:
        patterns.append(re.escape(name))
    return any(re.search(pattern, content, re.DOTALL) for pattern in patterns)


def occurrences(wanted: set[str]) -> dict[str, set[str]]:
    """Which of the keys stand in which file of the consumers."""
    found: dict[str, set[str]] = {}
    for name, path in files(".py"):
        text = path.read_text(encoding="utf-8")
        found[name] = {key for key in wanted if in_python(text, key)}
    for name, path in files(".so"):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as all_:
            found[name] = {key for key in wanted if in_binary(all_, key)}
    return {name: hits for name, hits in found.items() if hits}


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    """Where the removed keys stand."""
    return occurrences(keys())


def test_no_consumer_reads_what_is_taken_out(found: dict[str, set[str]]) -> None:
    new = {name: hits - KNOWN.get(name, {}).keys() for name, hits in found.items()}
    assert {name: hits for name, hits in new.items() if hits} == {}


def test_every_known_occurrence_is_still_there(found: dict[str, set[str]]) -> None:
    present = {name for ending in (".py", ".so") for name, _ in files(ending)}

    gone = {name: set(KNOWN[name]) - found.get(name, set()) for name in KNOWN.keys() & present}
    assert {name: keys for name, keys in gone.items() if keys} == {}


def test_the_search_finds_what_is_read() -> None:
    found = occurrences({"openvino_tokenizers_version", "group_size", "transformers_version"})

    assert "openvino_tokenizers_version" in found["openvino_genai/libopenvino_genai.so"]
    assert "group_size" in found["openvino/libs/libopenvino_intel_npu_plugin.so"]
    assert "transformers_version" in found["optimum/intel/openvino/utils.py"]


def stamped(**entries: Any) -> ov.Model:
    """A model with rt_info, each entry by its path with `__` between its parts."""
    port = ov.opset13.parameter([1], np.float32, name="x")
    model = ov.Model([ov.opset13.relu(port)], [port], "m")
    for path, value in entries.items():
        model.set_rt_info(value, path.split("__"))
    return model


def test_versions_seeds_and_dumps_leave_nncf_and_parameters_stay(tmp_path: Path) -> None:
    model = stamped(
        nncf__version="3.4.0",
        nncf__friendly_names_were_updated="True",
        nncf__weight_compression__group_size="-1",
        nncf__weight_compression__seed="7",
        nncf__weight_compression__advanced_parameters="{'statistics_path': '/home/me'}",
        nncf__quantization__ignored_scope__names="['a']",
    )

    taken = writer.write(model, tmp_path)

    left = stamps._plain(ir.read(tmp_path).rt_info)
    assert left["nncf"] == {
        "friendly_names_were_updated": "True",
        "weight_compression": {"group_size": "-1"},
        "quantization": {"ignored_scope": {"names": "['a']"}},
    }
    assert taken == {
        "nncf/version": "3.4.0",
        "nncf/weight_compression/seed": "7",
        "nncf/weight_compression/advanced_parameters": "{'statistics_path': '/home/me'}",
    }


def test_of_optimum_the_series_of_transformers_stays(tmp_path: Path) -> None:
    model = stamped(
        optimum__transformers_version="5.5.4",
        optimum__pytorch_version="2.13.0+cpu",
        optimum__timm_version="1.0.1",
        runtime_options__KV_CACHE_PRECISION="f16",
    )

    taken = writer.write(model, tmp_path)

    left = stamps._plain(ir.read(tmp_path).rt_info)
    assert left["optimum"] == {"transformers_version": "5.5"}
    assert left["runtime_options"] == {"KV_CACHE_PRECISION": "f16"}
    assert taken == {
        "optimum/transformers_version": "5.5.4",
        "optimum/pytorch_version": "2.13.0+cpu",
        "optimum/timm_version": "1.0.1",
    }


def test_an_entry_that_nobody_listed_stays(tmp_path: Path) -> None:
    writer.write(stamped(eagle3_mode="True", dflash__layers="3"), tmp_path)

    left = stamps._plain(ir.read(tmp_path).rt_info)
    assert left == {"eagle3_mode": "True", "dflash": {"layers": "3"}, "version": 11}


def test_what_was_cut_is_not_told_again(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    writer.write(stamped(openvino_tokenizers_version="2026.4.1.0-738"), tmp_path)

    taken = writer.write(ir.read(tmp_path), tmp_path / "again")

    assert taken == {"version": 11}
    written = (tmp_path / "again" / f"{ir.MODEL}.xml").read_text()
    assert '<openvino_tokenizers_version value="2026.4" />' in written


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with int8 weights, as an artifact."""
    folder = written(llama_int8, tmp_path_factory.mktemp("compressed") / "ir")
    llama_network().config.save_pretrained(folder)
    return folder


def test_optimum_intel_refuses_to_compress_again(compressed: Path) -> None:
    from optimum.intel import OVModelForCausalLM

    with pytest.raises(RuntimeError, match="already optimized"):
        OVModelForCausalLM.from_pretrained(compressed, load_in_8bit=True, export=False)


def test_optimum_intel_knows_the_series_of_transformers(compressed: Path) -> None:
    import transformers
    from optimum.intel.openvino.utils import get_export_transformers_version

    found = get_export_transformers_version(ir.read(compressed), None)

    assert str(found) == ".".join(transformers.__version__.split(".")[:2])


def test_the_group_size_that_the_npu_plugin_reads_is_a_number(compressed: Path) -> None:
    found = ir.read(compressed).get_rt_info(["nncf", "weight_compression", "group_size"])

    assert int(found.astype(str)) == -1
