"""A tokenizer as IR, and the code points on which it gives other ids than the original.

openvino-tokenizers rebuilds a tokenizer of operations of its own, with other tables of Unicode than
the library that it was made for. At export both are at hand.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

from pipeline import kinds
from pipeline.errors import ExportError
from pipeline.exporters._errors import told
from pipeline.networks import ir, writer
from pipeline.spec import Model

if TYPE_CHECKING:
    import openvino as ov

_Tokenize = Callable[[Sequence[str]], list[list[int]]]

_TOGETHER = 32  # code points in a text; those of a text that differs are tried alone
# Ideographs, Hangul and private use: of what is alike, and beyond the first plane, one in 27 is
# tried. That includes the first and the last of private use.
_ALIKE = (
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xAC00, 0xD7A4),
    range(0xE000, 0xF900),
)
_BEYOND = range(0x10000, 0xF0000)
_EMOJI = range(0x1F000, 0x1FB00)
_ONE_IN = 27
_LONGEST = 1000  # characters of the ranges that are listed


def export(source: Path, model: Model, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Write tokenizer and detokenizer IR.

    Returns:
        By file the rt_info that was left out of it, and notes: where the IR differs.

    Raises:
        ExportError: there is no tokenizer, or none that openvino-tokenizers converts.
    """
    original = _original(source, model)
    texts = getattr(kinds.load("task", model.task), "TEXTS", 1)
    models = _converted(original, model, texts)
    names = (ir.TOKENIZER, ir.DETOKENIZER)
    stamps = {name: writer.write(made, out, name) for name, made in zip(names, models, strict=True)}
    tried = _code_points()
    found = _differing(tried, _ids(original, texts), _ids_of_network(models[0], texts))
    return stamps, [_note(found, tried)] if found else []


def _original(source: Path, model: Model) -> Any:
    from transformers import AutoTokenizer

    with told(f"{model.source}: no tokenizer can be made of its files: want tokenizer.json"):
        tokenizer = AutoTokenizer.from_pretrained(
            source, trust_remote_code="remote_code" in model.allow, local_files_only=True
        )
    added = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    if not set(tokenizer.get_vocab()) - added:  # transformers makes one if there is no vocabulary
        raise ExportError(
            f"{model.source}: its tokenizer has no tokens but {sorted(added)[:10]}: "
            "want tokenizer.json or the vocabulary of a tokenizer"
        )
    return tokenizer


def _converted(tokenizer: Any, model: Model, texts: int) -> tuple["ov.Model", "ov.Model"]:
    from openvino.exceptions import OVError
    from openvino_tokenizers import convert_tokenizer

    try:
        tokenize, detokenize = convert_tokenizer(
            tokenizer, with_detokenizer=True, number_of_inputs=texts
        )
    except (OVError, NotImplementedError, LookupError, TypeError, ValueError) as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0].partition(": <class")[0]
        raise ExportError(
            f"{model.source}: its tokenizer, a {type(tokenizer).__name__}, does not convert: "
            f"{reason}: openvino-tokenizers takes the WordPiece, BPE, Unigram and WordLevel of a "
            "tokenizer.json, SentencePiece and tiktoken"
        ) from e
    return tokenize, detokenize


def _ids(tokenizer: Any, count: int) -> _Tokenize:
    """The original as texts to ids."""
    only = {"return_attention_mask": False, "return_token_type_ids": False}
    return lambda texts: [
        list(ids) for ids in tokenizer(*_alone(texts, count), **only)["input_ids"]
    ]


def _alone(texts: Sequence[str], count: int) -> list[list[str]]:
    """What goes in at once: texts, and beside them empty ones where a tokenizer takes several."""
    return [list(texts), *([""] * len(texts) for _ in range(count - 1))]


def _ids_of_network(network: "ov.Model", count: int) -> _Tokenize:
    """The IR as texts to ids, without padding."""
    import openvino as ov

    compiled = ov.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        made = compiled(dict(enumerate(_alone(texts, count))))
        rows = zip(made["input_ids"], made["attention_mask"], strict=True)
        return [ids[mask == 1].tolist() for ids, mask in rows]

    return tokenize


def _code_points() -> list[int]:
    """What Unicode assigns, but for surrogates; a sample of what is alike."""
    points = {p for p in range(1, 0x10000) if not any(p in block for block in _ALIKE)}
    points |= {p for block in (*_ALIKE, _BEYOND) for p in block[::_ONE_IN]} | {*_EMOJI}
    return [point for point in sorted(points) if category(chr(point)) not in ("Cn", "Cs")]


def _differing(tried: Sequence[int], original: _Tokenize, converted: _Tokenize) -> list[int]:
    """The code points that, within a word, the two turn into other ids."""

    def unlike(texts: Sequence[str]) -> list[int]:
        pairs = zip(original(texts), converted(texts), strict=True)
        return [index for index, (wanted, made) in enumerate(pairs) if wanted != made]

    words = [f"a{chr(point)}b" for point in tried]
    starts = range(0, len(words), _TOGETHER)
    suspects = [
        index
        for text in unlike([" ".join(words[start : start + _TOGETHER]) for start in starts])
        for index in range(starts[text], min(starts[text] + _TOGETHER, len(words)))
    ]
    found = unlike([words[index] for index in suspects]) if suspects else []
    return [tried[suspects[index]] for index in found]


def _note(found: Sequence[int], tried: Sequence[int]) -> str:
    """The code points as ranges of those that were tried, as many as a line holds."""
    after = dict(zip(tried, tried[1:], strict=False))
    ranges: list[list[int]] = []
    for point in found:
        if ranges and after.get(ranges[-1][-1]) == point:
            ranges[-1][1:] = [point]
        else:
            ranges.append([point])
    told = ["-".join(f"U+{end:04X}" for end in ends) for ends in ranges]
    while len(", ".join(told)) > _LONGEST:
        told.pop()
    more = f" and {len(ranges) - len(told)} more ranges" if len(told) < len(ranges) else ""
    return (
        f"tokenizer: other ids than the original's for {len(found)} of {len(tried)} code points "
        f"tried: {', '.join(told)}{more}"
    )
