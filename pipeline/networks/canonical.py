"""Names and rt_info of a model, so that the same model gives the same bytes in any process.

A name that some source gave (a module path, an ONNX node's name) stays: quantization recipes and
LoRA adapters find layers by it. OpenVINO names what has none `Type_digits`, after a counter of the
process; such a name, and one that begins with it (`Type_digits/tail`, `Type_digits.0`), gets a
number of the model's own instead, in topological order. docs/artifact-format.md has the rule.
"""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino as ov

# The head of a name that OpenVINO made up, as `Constant_465697`.
_GENERATED = re.compile(r"([A-Z][A-Za-z0-9]*)_\d+(?=[./_]|$)")

# Entries of rt_info that say which tool made the model; no consumer reads them. What `nncf` holds
# stays but for versions and seeds: the NPU plugin reads weight_compression/group_size, and
# optimum-intel refuses to compress again what has it. Of two versions that are read the release
# series stays: optimum-intel reads that of transformers, openvino.genai asks whether the tokenizer
# has its own (tokenizer_impl.cpp).
STAMPS = (
    "OpenVINO Runtime",
    "Runtime_version",
    "version",
    "conversion_parameters",
    "openvino_version",
    "original_tokenizer_class",
    "tokenizers_version",
    "transformers_version",
    "sentencepiece_version",
    "tiktoken_version",
    "nncf/version",
    "optimum/optimum_intel_version",
    "optimum/optimum_version",
    "optimum/pytorch_version",
)
SERIES = ("openvino_tokenizers_version", "optimum/transformers_version")
Path = tuple[str, ...]
_SEED = re.compile(r"(^|_)(seed|version)s?$")


def names(model: "ov.Model") -> frozenset[str]:
    """The name of every operation of a model, bodies of loops and branches included."""
    return frozenset(operation.get_friendly_name() for operation in _operations(model))


def rename(model: "ov.Model", name: str, keep: Collection[str] = ()) -> None:
    """Give the model its name, and a canonical one to every operation and tensor that has none.

    Args:
        model: is changed.
        name: of the model.
        keep: names that look made up although some source gave them.
    """
    numbers = _Numbers(frozenset(keep))
    taken: set[str] = set()
    model.set_friendly_name(name)
    operations = list(_operations(model))
    for operation in operations:
        canonical = _unique(numbers.replace(operation.get_friendly_name()), taken)
        taken.add(canonical)
        operation.set_friendly_name(canonical)
    for operation in operations:
        for index, body in enumerate(_bodies(operation)):
            body.set_friendly_name(f"{operation.get_friendly_name()}.{index}")
        for output in operation.outputs():
            tensor = output.get_tensor()
            renamed = {numbers.replace_known(given) for given in tensor.get_names()}
            if renamed != tensor.get_names():
                tensor.set_names(renamed)


class _Numbers:
    """Numbers of made-up names, in the order in which they are met."""

    def __init__(self, keep: frozenset[str]) -> None:
        self._keep = keep
        self._reserved = {found[0] for name in keep if (found := _GENERATED.match(name))}
        self._heads: dict[str, str] = {}
        self._next: dict[str, int] = {}

    def replace(self, name: str) -> str:
        """The name with its made-up head, if it has one, replaced."""
        found = _GENERATED.match(name)
        if found is None or name in self._keep or found[0] in self._reserved:
            return name
        if found[0] not in self._heads:
            self._heads[found[0]] = self._number(found[1])
        return self._heads[found[0]] + name[found.end() :]

    def replace_known(self, name: str) -> str:
        """The name of a tensor, which stays unless it is an operation's that was replaced."""
        found = _GENERATED.match(name)
        return self.replace(name) if found and found[0] in self._heads else name

    def _number(self, kind: str) -> str:
        while True:
            number = self._next.get(kind, 0)
            self._next[kind] = number + 1
            if (head := f"{kind}_{number}") not in self._reserved:
                return head


def _unique(name: str, taken: Collection[str]) -> str:
    """The name, with the first free number behind it where another operation has it already."""
    unique, number = name, 0
    while unique in taken:
        number += 1
        unique = f"{name}.{number}"
    return unique


def _operations(model: "ov.Model") -> Iterator["ov.Node"]:
    """Every operation in topological order, a body's right behind the one that holds it."""
    for operation in model.get_ordered_ops():
        yield operation
        for body in _bodies(operation):
            yield from _operations(body)


def _bodies(operation: "ov.Node") -> list["ov.Model"]:
    kind = operation.get_type_name()
    if kind in ("Loop", "TensorIterator"):
        return [operation.get_function()]
    if kind == "If":
        return [operation.get_then_body(), operation.get_else_body()]
    return []


def take_stamps(model: "ov.Model") -> dict[str, Any]:
    """Take out of rt_info what depends on versions of tools and on seeds.

    Returns:
        What was taken out, by path in rt_info, for the provenance.
    """
    stamps: dict[str, Any] = {}
    for key, value in _plain(model.rt_info).items():
        kept = list(_kept(value, (key,), stamps))
        del model.rt_info[key]  # what is inside an entry cannot be changed in place
        for path, leaf in kept:
            model.set_rt_info(leaf, list(path))
    return stamps


def _kept(value: Any, path: Path, stamps: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The leaves of an rt_info entry that stay, by path; what does not goes to `stamps`."""
    told = "/".join(path)
    if told in STAMPS or (path[0] == "nncf" and _SEED.search(path[-1])):
        stamps[told] = value
    elif isinstance(value, dict):
        for key, inner in sorted(value.items()):
            yield from _kept(inner, (*path, key), stamps)
    elif told in SERIES:
        stamps[told] = value
        yield path, ".".join(str(value).split(".")[:2])
    else:
        yield path, value


def _plain(value: Any) -> Any:
    """An rt_info value (RTMap, OVAny) as JSON types."""
    inner = value.value if hasattr(value, "value") else value
    if hasattr(inner, "items"):
        return {str(key): _plain(item) for key, item in inner.items()}
    return inner if isinstance(inner, bool | int | float | str) else str(inner)
