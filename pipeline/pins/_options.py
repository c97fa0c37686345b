"""What the options of several targets have in common."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from pipeline.errors import SpecError
from pipeline.http import check_url


def _endpoint(url: str, key: ValidationInfo) -> str:
    """A URL to append paths to. A SpecError passes pydantic, whose own message would show it."""
    if any(character in url for character in "@?#"):  # a password or a key: not shown
        raise SpecError(f"{key.field_name}: want a URL without user name, password, ? and #")
    if wrong := check_url(url):
        raise SpecError(f"{key.field_name}: {wrong}")
    return url.rstrip("/")


Endpoint = Annotated[str, AfterValidator(_endpoint)]
DeadlineS = Annotated[float, Field(gt=0, le=86_400)]
