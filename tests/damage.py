"""Damage to bytes, as a fuzzer does it."""

from hypothesis import strategies as st

edits = st.lists(
    st.tuples(st.sampled_from("xdic"), st.integers(0, 1 << 20), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


def damage(block: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    """Change, delete, insert or repeat bytes."""
    for how, where, value in changes:
        at = where % (len(block) + 1)
        match how:
            case "x":
                block = block[:at] + bytes((value,)) + block[at + 1 :]
            case "d":
                block = block[:at] + block[at + 1 + value % 40 :]
            case "i":
                block = block[:at] + bytes((value,)) + block[at:]
            case _:
                block = block[: at + value % 60] + block[at:]
    return block
