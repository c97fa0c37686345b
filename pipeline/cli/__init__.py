"""ovpipe: the commands a person types that are not stages.

One file per command. Each imports what it needs when it runs, so that `--help` answers at once.
"""

from importlib import import_module
from pkgutil import iter_modules

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="openvino-ipfs-pipeline")
def main() -> None:
    """Models as verified, content-addressed OpenVINO IR. `dvc repro` builds, and so does `build`.

    Every command ends with 0 when it is done, 1 when something was refused or failed (in one
    line), and 2 when it was typed wrongly.
    """


for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        main.add_command(import_module(f"{__name__}.{_module.name}").command)
