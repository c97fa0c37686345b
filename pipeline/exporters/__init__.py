"""How sources become IR, and how the original runs: one file per format, named as in params.yaml.

Each has
    TOOLCHAIN                    distributions whose versions decide the IR
    RUNS_WITH                    those that decide what the original gives
    BASELINE                     what the original runs in, as reports call it
    files(allow)                 patterns of the source files it reads
    weights(allow)               what of these is a checkpoint: tuples of patterns that go together
    export(source, model, out)   writes the IR folder `out`; returns what goes to the provenance
    original(source, model)      the source's own networks at fp32, by the names of the IR's
"""

INTERFACE = ("TOOLCHAIN", "RUNS_WITH", "BASELINE", "files", "weights", "export", "original")
