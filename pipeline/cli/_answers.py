"""What the commands that answer have in common: --json, arguments that are checked, a bar."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

import click

from pipeline.errors import PipelineError, SpecError
from pipeline.host.terminal import failing
from pipeline.layout import Layout, elsewhere

if TYPE_CHECKING:
    from pipeline.steps.verify import Found

P = ParamSpec("P")


class Answer(NamedTuple):
    """What a command found out: in JSON types, and for a terminal.

    Args:
        fields: the JSON object.
        text: for a terminal.
        is_wrong: it found something that stops work; the exit code is 1.
    """

    fields: dict[str, Any]
    text: str
    is_wrong: bool = False


def answers(function: Callable[P, Answer]) -> Callable[..., None]:
    """A command's body, with the option --json and its errors ended as `failing` says."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, also on failure.")
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        with failing(as_json=as_json):
            answer = function(*args, **kwargs)
            if as_json:
                from pipeline.record import to_json

                click.echo(to_json(answer.fields), nl=False)
            else:
                click.echo(answer.text)
            if answer.is_wrong:
                sys.exit(1)

    return run


class Checked(click.ParamType):  # type: ignore[type-arg]  # not generic in 8.1
    """An argument that a function of the library reads; what that refuses is wrong usage."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the function reads in the text."""
        try:
            return self._read(value)
        except PipelineError as e:
            self.fail(str(e), param, ctx)


def _cid(text: str) -> Any:
    from pipeline.ipfs.cid import Cid

    return Cid.parse(text)


def _profile(text: str) -> Any:
    from pipeline.ipfs.unixfs.profile import find_profile

    return find_profile(text)


CID = Checked("cid", _cid)
profile_option = click.option(
    "--profile",
    type=Checked("profile", _profile),
    default="unixfs-v1-2025",
    show_default=True,
    help="The parameters of the CID; the other one is unixfs-v0-2015, of old.",
)


def named(target: str) -> "Found":
    """What a path, or else the name of a variant of the project, means.

    Raises:
        SpecError: it is neither, which is no wonder if the project is a folder further up.
        RefusedError: a variant that its gate refused.
    """
    from pipeline.steps.verify import find

    try:
        return find(target, Layout())
    except SpecError as e:
        raise SpecError("; ".join(filter(None, (str(e), elsewhere())))) from e


@contextmanager
def hashing(path: Path) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of a file or folder; it is told how many were read."""
    from pipeline.host import progress
    from pipeline.ipfs.unixfs.files import scan

    with progress.bar(sum(file.size_bytes for file in scan(path)[1]), str(path), "B") as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance
