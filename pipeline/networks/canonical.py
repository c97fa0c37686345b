"""Names and order of operations: what a source gave stays, what the process made up goes.

Consumers find layers by name (NNCF's ignored_scope, the LoRA adapters of openvino.genai). What
OpenVINO makes up counts what the process made before, and must not reach the bytes; nor must the
order of a Python set. docs/artifact-format.md has the rule.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov

# OpenVINO names what has no name by its type and a counter of the process, and passes derive names
# from that (`Convert_12/fq_output_0`, `Constant_3_compressed`): the head alone is generated. Other
# endings behind `_` are a source's own (`Conv_1_bn`).
_GENERATED = re.compile(r"([A-Z][A-Za-z0-9]*)_\d+(?=[./]|_compressed$|$)")


def names(model: "ov.Model") -> frozenset[str]:
    """The name of every operation, those in the bodies of loops and branches too."""
    return frozenset(operation.get_friendly_name() for operation in _operations(model))


def rename(model: "ov.Model", name: str, keep: Collection[str] = ()) -> None:
    """Name a model, and give each of its operations a name of its own: the source's, if it has one.

    Generated is a name with the head `Type_digits`, unless `keep` has it or its head. The head gets
    the next number of its type, in topological order, that leads to no name that was given. Of
    operations with one name the first has it; a later one is numbered, behind `_`.

    Names of tensors and of states are the model's interface and stay, but for those that a tool
    made of a generated name: openvino-tokenizers of an input's, optimum-intel of a state's.

    Args:
        model: is changed.
        name: of the model.
        keep: names that some source gave although they look generated.
    """
    model.set_friendly_name(name)
    nodes = list(_operations(model))
    given = [node.get_friendly_name() for node in nodes]
    owners = _owners(nodes, given, frozenset(keep))
    fresh = _Fresh({*keep, *owners})
    tensors: dict[str, str] = {}
    for index, (node, old) in enumerate(zip(nodes, given, strict=True)):
        if owners.get(old) != index:
            node.set_friendly_name(fresh.name(old))
            tensors |= _rename_tensors(node, old)
    for state in model.get_variables():
        told = state.info
        told.variable_id = tensors.get(told.variable_id, told.variable_id)
        state.update(told)


def order_states(model: "ov.Model") -> None:
    """Put the states in the order in which the results need them; it decides that of operations.

    optimum-intel adds those of cross-attention in the order of a set of addresses.
    """
    states = model.get_sinks()
    for state in states:
        model.remove_sink(state)
    needed = [_variable(node) for node in model.get_ordered_ops() if _variable(node)]
    places = {variable: place for place, variable in enumerate(needed)}
    model.add_sinks(
        sorted(
            states, key=lambda state: (places.get(_variable(state), len(places)), _variable(state))
        )
    )


class _Fresh:
    """Names that are not in use; each is handed out once."""

    def __init__(self, used: set[str]) -> None:
        self._used = used
        self._used_heads = {match[0] for name in used if (match := _GENERATED.match(name))}
        self._heads: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def name(self, old: str) -> str:
        """A name made of an old one: another head if that is generated, a number if it is used."""
        match = _GENERATED.match(old)
        wanted = self._head(match) + old[match.end() :] if match else old
        name = wanted
        while name in self._used:
            self._counts[wanted] += 1
            name = f"{wanted}_{self._counts[wanted]}"
        self._used.add(name)
        return name

    def _head(self, match: re.Match[str]) -> str:
        while match[0] not in self._heads:
            head = f"{match[1]}_{self._counts[match[1]]}"
            self._counts[match[1]] += 1
            if head not in self._used_heads:
                self._heads[match[0]] = head
        return self._heads[match[0]]


def _owners(
    nodes: Sequence["ov.Node"], given: Sequence[str], keep: frozenset[str]
) -> dict[str, int]:
    """Which operation has each name that some source gave, by its place.

    The counter may have called an operation what the source called another: of two with one name it
    is not the one that has no other name in the process.
    """
    owners: dict[str, int] = {}
    for unnamed in (False, True):
        for index, (node, name) in enumerate(zip(nodes, given, strict=True)):
            if (node.get_name() == name) is unnamed and _is_given(name, keep):
                owners.setdefault(name, index)
    return owners


def _is_given(name: str, keep: frozenset[str]) -> bool:
    match = _GENERATED.match(name)
    return match is None or name in keep or match[0] in keep


def _rename_tensors(node: "ov.Node", old: str) -> dict[str, str]:
    """Let tensors that are named after an operation follow it; returns their new names by the old.

    One of another type's name is an input that its source called so, as `Image_1`.
    """
    renamed = {}
    if old.startswith(f"{node.get_type_name()}_"):
        for port in node.outputs():
            tensor, names = port.get_tensor(), port.get_names()
            for end in {"", f".{port.get_index()}"}:
                if old + end in names:
                    renamed[old + end] = node.get_friendly_name() + end
            tensor.set_names({renamed.get(name, name) for name in names})
    return renamed


def _variable(node: "ov.Node") -> str:
    """The state that an operation reads or assigns, or nothing."""
    return str(node.get_attributes().get("variable_id", ""))


def _operations(model: "ov.Model") -> Iterator["ov.Node"]:
    """Every operation in topological order, each before those of its bodies."""
    for operation in model.get_ordered_ops():
        yield operation
        for body in bodies(operation):
            yield from _operations(body)


def bodies(operation: "ov.Node") -> list["ov.Model"]:
    """The bodies of a loop or the branches of a condition; none of any other operation."""
    kind = operation.get_type_name()
    if kind in ("Loop", "TensorIterator"):
        return [operation.get_function()]
    if kind == "If":
        return [operation.get_then_body(), operation.get_else_body()]
    return []
