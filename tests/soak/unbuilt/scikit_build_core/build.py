"""A build backend that builds nothing: pocketsphinx is downloaded for its recordings alone.

pip asks what it downloads for metadata, and pocketsphinx' own backend would be fetched for that,
and run. This one says the name and version that the distribution states of itself.
"""

from email.parser import Parser
from pathlib import Path


def prepare_metadata_for_build_wheel(folder: str, settings: object = None) -> str:
    """Write `*.dist-info/METADATA`, and say where; the working folder is the distribution."""
    stated = Parser().parsestr(Path("PKG-INFO").read_text("utf-8"))
    made = Path(folder) / f"{stated['Name']}-{stated['Version']}.dist-info"
    made.mkdir()
    named = f"Name: {stated['Name']}\nVersion: {stated['Version']}\n"
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\n{named}")
    return made.name
