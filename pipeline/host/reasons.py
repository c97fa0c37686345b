"""Why a library gave up, in one line for somebody who does not know the library.

The line says which library, what it says, and what that sort of exception means; what a library
calls an argument of its own is called as params.yaml has it. The traceback is in the log.
"""

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What an exception means whose message alone says little.
_MEANINGS = {
    "AssertionError": "what it takes for granted does not hold",
    "EOFError": "a file ends too early",
    "IndexError": "it reads beyond the end of something",
    "JSONDecodeError": "a file is not JSON",
    "KeyError": "it looks for what is not there",
    "NotImplementedError": "it cannot do that",
    "PanicException": "its native code gave up",
    "RecursionError": "something is nested too deeply",
    "SafetensorError": "a file is not safetensors",
    "SystemExit": "it ended the process",
    "UnicodeDecodeError": "a file is not UTF-8",
    "UnpicklingError": "a file is no pickle that it may load",
}
# What a library calls what an entry of params.yaml decides.
_OURS = ((r"(?:the (?:argument|option) )?[`'\"]?\buse_safetensors *= *False\b[`'\"]?", "pickle"),)
_REMOTE_CODE = (
    "it wants code that came with the model: allow: [remote_code] of the model's entry lets it "
    "run, from a pinned source"
)
_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z(])")
_ADVICE = re.compile(
    r"https?:|please|you can|you were|make sure|pip install|could be because|if this", re.IGNORECASE
)
_NATIVE = re.compile(r"^(?:Exception from|Check '.*' failed at) src/", re.MULTILINE)  # OpenVINO's
_STDLIB = str(Path(traceback.__file__).parent)
_INSTALLED = ("site-packages", "dist-packages")


@contextmanager
def over(files: str) -> Iterator[None]:
    """What is raised in the block, or in the function that it decorates, is over these files."""
    try:
        yield
    except BaseException as e:
        e.add_note(files)
        raise


def why(error: BaseException, verb: str) -> str:
    """The line: `transformers refused config.json: it looks for what is not there: 'x' (KeyError)`.

    Args:
        error: as it was caught, with its traceback.
        verb: what the library did.
    """
    files = next(iter(getattr(error, "__notes__", ())), "its input")
    return f"{_library(error)} {verb} {files}: {said(error)}"


def said(error: BaseException) -> str:
    """What an exception means and says: `it looks for what is not there: 'x' (KeyError)`."""
    kind = type(error)
    meaning = next((_MEANINGS[k.__name__] for k in kind.__mro__ if k.__name__ in _MEANINGS), "")
    text = ": ".join(filter(None, (meaning, _message(error)))) or "without a word"
    return f"{text} ({kind.__name__})"


def last_line(message: str) -> str:
    """The line of an OpenVINO message that says something: those before it are places in C++."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def shortened(text: str, limit: int) -> str:
    """At most so many characters of a text, cut between words."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - 4].rsplit(None, 1)[0]} ..."


def _message(error: BaseException) -> str:
    """What an exception says, in one line and in our words; files by their names in the source.

    Sentences that advise whoever called the library, which is us, are left out.
    """
    text = last_line(str(error)) if _NATIVE.search(str(error)) else " ".join(str(error).split())
    if "trust_remote_code" in text:
        return _REMOTE_CODE
    sentences = _SENTENCE.split(text)
    text = " ".join(s for s in sentences if not _ADVICE.search(s)) or sentences[0]
    for pattern, leave in _OURS:
        text = re.sub(pattern, f"allow: [{leave}] of the model's entry", text)
    here = str(Path.cwd())
    return text.replace(f"{here}/", "").replace(here, "source")


def _library(error: BaseException) -> str:
    """The package whose code failed; else the file and line of ours, or of the user's own."""
    if _NATIVE.search(str(error)):
        return "openvino"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_around(f.filename)]
    for frame in reversed(frames):
        if package := _package(Path(frame.filename)):
            return package
    module = type(error).__module__.partition(".")[0]
    if module not in ("builtins", *sys.stdlib_module_names):
        return module
    if not frames:
        return "Python"
    return f"{'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno}"


def _is_around(filename: str) -> bool:
    """Whether a frame says nothing: of Python itself, or of the child process that calls."""
    is_stdlib = filename.startswith((_STDLIB, "<")) and not _package(Path(filename))
    return is_stdlib or filename.endswith("pipeline/host/child.py")


def _package(path: Path) -> str:
    """The installed package that a file belongs to; empty if it is of none, or ours."""
    parts = path.parts
    found = [parts[parts.index(name) + 1] for name in _INSTALLED if name in parts]
    return "" if not found or found[0] == "pipeline" else found[0].removesuffix(".py")
