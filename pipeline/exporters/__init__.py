"""How sources become IR: one file per format, named as `format` in params.yaml.

Each has
    TOOLCHAIN                    distributions whose versions decide the IR
    files(allow)                 patterns of the source files it reads
    weights(allow)               what of these is a checkpoint: tuples of patterns that go together
    export(source, model, out)   writes the IR folder `out`; returns what goes to the provenance
"""

INTERFACE = ("TOOLCHAIN", "files", "weights", "export")
